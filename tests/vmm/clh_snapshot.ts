/** Cloud Hypervisor's snapshot: a folder with the VM's configuration, its devices' state and its memory. */
import type { Config } from "./clh_config.ts";
import { Refused } from "./api_server.ts";
import type { SavedFiles } from "./guest_save.ts";
import type { GuestVm } from "./guest_vm.ts";

/** Source: Cloud Hypervisor, docs/snapshot_restore.md. */
const NAMES = { config: "config.json", state: "state.json", memory: "memory-ranges" } as const;

function folderOf(url: string): string {
  const path = /^file:\/\/(\/.+)$/.exec(url)?.[1];
  if (path === undefined) throw new Refused(500, `${url} is no URL of a folder`);
  return path;
}

export async function writeSnapshot(vm: GuestVm, config: Config, url: string): Promise<void> {
  const folder = folderOf(url), state = `${vm.folder}/state`;
  await vm.save({ memory: `${folder}/${NAMES.memory}`, state });
  const bytes = await Deno.readFile(state);
  await Deno.writeTextFile(
    `${folder}/${NAMES.state}`,
    JSON.stringify({ devices: bytes.toBase64() }),
  );
  await Deno.writeTextFile(`${folder}/${NAMES.config}`, JSON.stringify(config));
}

/** @param state Where the devices' state goes, as the machine wants it. */
export async function readSnapshot(
  url: string,
  state: string,
): Promise<{ readonly config: Config; readonly files: SavedFiles }> {
  const folder = folderOf(url);
  const { devices } = JSON.parse(await Deno.readTextFile(`${folder}/${NAMES.state}`));
  await Deno.writeFile(state, Uint8Array.fromBase64(devices));
  const config: Config = JSON.parse(await Deno.readTextFile(`${folder}/${NAMES.config}`));
  return { config, files: { state, memory: `${folder}/${NAMES.memory}` } };
}
