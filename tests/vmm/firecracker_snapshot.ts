/** Firecracker's snapshots: a file of memory and a file of everything else, wherever the caller wants them. */
import { Refused } from "./api_server.ts";
import { type Body, existing, type FirecrackerSetup } from "./firecracker_setup.ts";
import type { SavedFiles } from "./guest_save.ts";
import type { GuestVm } from "./guest_vm.ts";

function memoryFile(body: Body): string {
  const { mem_backend: backend, mem_file_path: path } = body;
  if ((backend === undefined) === (path === undefined)) {
    throw new Refused(400, "Either mem_backend or mem_file_path must be there");
  }
  if (backend === undefined) return existing(path);
  const { backend_type: type, backend_path: file } = backend as Body;
  if (type !== "File") throw new Refused(400, `backend_type ${type} is not served here`);
  return existing(file);
}

export async function saveState(vm: GuestVm, setup: FirecrackerSetup, body: Body): Promise<void> {
  const state = `${vm.folder}/state`, { resources } = setup;
  await vm.save({ memory: String(body.mem_file_path), state });
  const devices = (await Deno.readFile(state)).toBase64();
  await Deno.writeTextFile(String(body.snapshot_path), JSON.stringify({ resources, devices }));
}

/** @param state Where the devices' state goes, as the machine wants it. */
export async function loadState(
  setup: FirecrackerSetup,
  body: Body,
  state: string,
): Promise<SavedFiles> {
  const memory = memoryFile(body);
  const saved = JSON.parse(await Deno.readTextFile(existing(body.snapshot_path)));
  setup.resources = {
    ...saved.resources,
    ...(body.vsock_override === undefined ? {} : { vsock: body.vsock_override }),
  };
  await Deno.writeFile(state, Uint8Array.fromBase64(saved.devices));
  return { memory, state };
}
