/**
 * A server that behaves as Firecracker's interface says, strictly: what its OpenAPI description does not know is an
 * error, and so is a call before or after the start that belongs to the other side of it. The guest is a real VM.
 */
import { type Answer, DONE, flag, onlyFlags, Refused, serveApi } from "./api_server.ts";
import { type Body, existing, FirecrackerSetup } from "./firecracker_setup.ts";
import { loadState, saveState } from "./firecracker_snapshot.ts";
import { GuestVm } from "./guest_vm.ts";
import { OpenApi } from "./openapi.ts";

onlyFlags(
  Deno.args,
  ["--api-sock", "--id", "--start-time-us", "--start-time-cpu-us", "--parent-cpu-time-us"],
  ["--no-seccomp"],
);
const api = await OpenApi.read("firecracker-openapi.yaml");
const socketPath = flag(Deno.args, "--api-sock") ?? "/run/firecracker.socket";
const folder = `${socketPath.slice(0, socketPath.lastIndexOf("/"))}/vmm-${Deno.pid}`;
const version = Deno.env.get("KATA_TEST_VMM_VERSION") ?? "1.14.0";
const INFO = { app_name: "Firecracker", id: flag(Deno.args, "--id") ?? "anonymous-instance" };

const setup = new FirecrackerSetup();
let vm: GuestVm | undefined;
let state: "Not started" | "Running" | "Paused" = "Not started";

function before(): void {
  if (state === "Not started") return;
  throw new Refused(400, "The requested operation is not supported after starting the microVM.");
}

function after(): GuestVm {
  if (vm !== undefined && state !== "Not started") return vm;
  throw new Refused(400, "The requested operation is not supported before starting the microVM.");
}

function began(machine: GuestVm, next: typeof state): void {
  vm = machine;
  state = next;
  void machine.ended.then(end);
}

async function end(): Promise<void> {
  await vm?.stop();
  for (const name of [folder, `${folder}-saved`]) {
    await Deno.remove(name, { recursive: true }).catch(() => {}); // never booted, or no clone
  }
  Deno.exit(0);
}

async function act({ action_type: action }: Body): Promise<Answer> {
  if (action === "FlushMetrics") {
    after();
    setup.flushMetrics();
    return DONE;
  }
  if (action !== "InstanceStart") throw new Refused(400, `${action} is not served here`);
  before();
  began(await GuestVm.boot(setup.machine(), folder, () => {}), "Running");
  return DONE;
}

async function setState({ state: wanted }: Body): Promise<Answer> {
  const machine = after(), paused = wanted === "Paused";
  await (paused ? machine.pause() : machine.resume());
  state = paused ? "Paused" : "Running";
  return DONE;
}

async function exchange(path: string, body: Body): Promise<Answer> {
  const machine = after(), drive = setup.patched(path, body);
  if (drive) await machine.plug.exchange(drive);
  return DONE;
}

async function createSnapshot(body: Body): Promise<Answer> {
  const machine = after();
  if (state !== "Paused") throw new Refused(400, "Cannot save a microVM that is not paused.");
  await saveState(machine, setup, body);
  return DONE;
}

async function loadSnapshot(body: Body): Promise<Answer> {
  before();
  if (!setup.fresh) {
    throw new Refused(400, "Loading a microVM snapshot not allowed after configuring.");
  }
  const saved = await loadState(setup, body, `${folder}-saved`);
  began(await GuestVm.load(setup.machine(), folder, saved, () => {}), "Paused");
  return body.resume_vm === true ? await setState({ state: "Resumed" }) : DONE;
}

async function handle(method: string, path: string, body: Body): Promise<Answer> {
  switch (`${method} ${path}`) {
    case "GET /version":
      return { status: 200, body: { firecracker_version: version } };
    case "GET /":
      return { status: 200, body: { ...INFO, state, vmm_version: version } };
    case "PUT /actions":
      return await act(body);
    case "PATCH /vm":
      return await setState(body);
    case "PUT /snapshot/create":
      return await createSnapshot(body);
    case "PUT /snapshot/load":
      return await loadSnapshot(body);
  }
  if (method === "PATCH" && path.startsWith("/drives/")) return await exchange(path, body);
  if (method === "PATCH" && path === "/balloon") {
    after();
    setup.needBalloon();
    return DONE;
  }
  if (method !== "PUT") throw new Refused(400, `${method} ${path} is not served here`);
  before();
  existing(socketPath); // still there: whoever speaks came by it
  setup.put(path, body);
  return DONE;
}

serveApi({
  ...{ socketPath, api, base: "", handle },
  fault: (text) => JSON.stringify({ fault_message: text }),
});
