/**
 * A server that behaves as Cloud Hypervisor's interface says, strictly: what its OpenAPI description does not know is an
 * error, and so is a call in the wrong state. The guest is a real VM.
 */
import { type Answer, DONE, flag, onlyFlags, Refused, serveApi } from "./api_server.ts";
import { type Config, diskOf, type FsConfig, fsOf, idsOf, machineOf, MIB } from "./clh_config.ts";
import { readSnapshot, writeSnapshot } from "./clh_snapshot.ts";
import { GuestVm, type Told } from "./guest_vm.ts";
import type { GuestNet } from "./machine.ts";
import { OpenApi } from "./openapi.ts";

type Body = Record<string, unknown>;
type State = "None" | "Created" | "Running" | "Paused";

const version = Deno.env.get("KATA_TEST_VMM_VERSION") ?? "40.0.0";
const PING = { build_version: `v${version}`, version, pid: Deno.pid, features: [] };
/** What virtio-mem adds is so large, or so many times as large. */
const BLOCK_BYTES = 128 * MIB;

onlyFlags(Deno.args, ["--api-socket", "--event-monitor", "--seccomp"], ["-v", "-vv", "-vvv"]);
const api = await OpenApi.read("cloud-hypervisor-openapi.yaml");
const socketPath = (flag(Deno.args, "--api-socket") ?? "").replace(/^path=/, "");
const eventsFd = Number((flag(Deno.args, "--event-monitor") ?? "").replace(/^fd=/, ""));
const folder = `${socketPath.slice(0, socketPath.lastIndexOf("/"))}/vmm-${Deno.pid}`;
const events = Deno.openSync(`/proc/self/fd/${eventsFd}`, { write: true });

let config: Config | undefined;
let vm: GuestVm | undefined;
let state: State = "None";
let desired = { vcpus: 0, bytes: 0 };
const ids = new Set<string>();

function tell(source: string, event: string): void {
  const text = JSON.stringify({ timestamp: {}, source, event, properties: null }, null, 2);
  events.writeSync(new TextEncoder().encode(`${text}\n\n`));
}

const told: Told = ({ name, data }) => {
  if (name === "GUEST_PANICKED") tell("guest", "panic");
  if (name !== "SHUTDOWN") return;
  if (data.reason === "guest-reset") tell("vm", "rebooting");
  if (data.reason === "guest-shutdown") end();
};

function need<T>(value: T | undefined, ...allowed: State[]): T {
  if (value !== undefined && allowed.includes(state)) return value;
  throw new Refused(state === "None" ? 404 : 405, `The VM is ${state}`);
}

/** As the VMM ends when its guest powers off. */
function end(): void {
  tell("vm", "shutdown");
  void (vm?.stop() ?? Promise.resolve()).finally(async () => {
    for (const name of [folder, `${folder}-saved`]) {
      await Deno.remove(name, { recursive: true }).catch(() => {}); // never booted, or no clone
    }
    Deno.exit(0);
  });
}

function create(wanted: Config): Answer {
  if (state !== "None") throw new Refused(500, "The VM is there already");
  const { hotplug_size: room = 0 } = wanted.memory;
  if (room % BLOCK_BYTES !== 0) throw new Refused(500, `hotplug_size ${room} is not aligned`);
  config = wanted;
  for (const id of idsOf(wanted)) newId(id);
  desired = { vcpus: wanted.cpus.boot_vcpus, bytes: wanted.memory.size };
  state = "Created";
  return DONE;
}

async function boot(): Promise<Answer> {
  vm = await GuestVm.boot(machineOf(need(config, "Created")), folder, told);
  state = "Running";
  return DONE;
}

function newId(id: string): void {
  if (ids.has(id)) throw new Refused(409, `Identifier ${id} is not unique`);
  ids.add(id);
}

/** Plugs one device. */
async function add(id: string, plug: (vm: GuestVm) => Promise<number>): Promise<Answer> {
  const running = need(vm, "Running", "Paused");
  newId(id);
  try {
    const device = (await plug(running)).toString(16).padStart(2, "0");
    return { status: 200, body: { id, bdf: `0000:00:${device}.0` } };
  } catch (error) {
    ids.delete(id);
    throw error;
  }
}

async function remove(id: string): Promise<Answer> {
  const running = need(vm, "Running", "Paused");
  if (!ids.delete(id)) throw new Refused(404, `No device ${id}`);
  await running.plug.remove(id);
  return DONE;
}

async function resize({ desired_vcpus, desired_ram }: Body): Promise<Answer> {
  const running = need(vm, "Running"), { cpus, memory } = need(config, "Running");
  const vcpus = Number(desired_vcpus ?? desired.vcpus);
  const bytes = Number(desired_ram ?? desired.bytes), more = bytes - memory.size;
  if (vcpus > cpus.max_vcpus) throw new Refused(500, `${vcpus} vCPUs are more than the maximum`);
  if (more > (memory.hotplug_size ?? 0)) throw new Refused(500, `no room for ${bytes} bytes`);
  if (more > 0 && more % BLOCK_BYTES !== 0) throw new Refused(500, `${bytes} is not aligned`);
  if (more >= 0 && bytes !== desired.bytes) await running.addMemory(more / MIB);
  desired = { vcpus, bytes: Math.max(bytes, memory.size) };
  return DONE;
}

function info(): Answer {
  const body = { config: need(config, "Created", "Running", "Paused"), state };
  return { status: 200, body: { ...body, memory_actual_size: desired.bytes } };
}

async function pause(paused: boolean): Promise<Answer> {
  const machine = need(vm, paused ? "Running" : "Paused");
  await (paused ? machine.pause() : machine.resume());
  state = paused ? "Paused" : "Running";
  return DONE;
}

async function snapshot(url: unknown): Promise<Answer> {
  await writeSnapshot(need(vm, "Paused"), need(config, "Paused"), String(url));
  return DONE;
}

async function restore(body: Body): Promise<Answer> {
  if (state !== "None") throw new Refused(404, "The VM is there already");
  const saved = await readSnapshot(String(body.source_url), `${folder}-saved`);
  create(saved.config);
  vm = await GuestVm.load(machineOf(saved.config), folder, saved.files, told);
  state = "Paused";
  return body.resume === true ? await pause(false) : DONE;
}

/** Calls by their paths; whoever adds one finds the states in which Cloud Hypervisor takes it. */
const CALLS: Readonly<Record<string, (body: Body) => Answer | Promise<Answer>>> = {
  "/vmm.ping": () => ({ status: 200, body: PING }),
  "/vmm.shutdown": () => {
    queueMicrotask(end);
    return DONE;
  },
  "/vm.create": (body) => create(body as unknown as Config),
  "/vm.boot": boot,
  "/vm.info": info,
  "/vm.counters": () => {
    need(vm, "Running", "Paused");
    return { status: 200, body: { disk: { read_bytes: 0, write_bytes: 0 } } };
  },
  "/vm.pause": () => pause(true),
  "/vm.resume": () => pause(false),
  "/vm.resize": resize,
  "/vm.add-disk": (body) => {
    const disk = diskOf(body as unknown as { id: string; path: string });
    return add(disk.id, (vm) => vm.plug.addDisk(disk));
  },
  "/vm.add-net": (body) => {
    const net = body as unknown as GuestNet;
    return add(net.id, (vm) => vm.plug.addNet(net));
  },
  "/vm.add-fs": (body) => {
    if (need(config, "Running").memory.shared !== true) {
      throw new Refused(500, "virtio-fs needs shared memory");
    }
    const fs = fsOf(body as unknown as FsConfig);
    return add(fs.id, (vm) => vm.plug.addFs(fs));
  },
  "/vm.resize-disk": async ({ id, desired_size }) => {
    const running = need(vm, "Running");
    if (!ids.has(String(id))) throw new Refused(404, `No disk ${id}`);
    await running.plug.resizeDisk(String(id), Number(desired_size));
    return DONE;
  },
  "/vm.remove-device": ({ id }) => remove(String(id)),
  "/vm.snapshot": ({ destination_url }) => snapshot(destination_url),
  "/vm.restore": restore,
};

serveApi({
  ...{ socketPath, api, base: "/api/v1" },
  handle: (_method, path, body) => {
    const call = CALLS[path];
    if (call === undefined) throw new Refused(500, `${path} is not served here`);
    return call(body);
  },
  fault: (text) => JSON.stringify(["Error from API", text]),
});
