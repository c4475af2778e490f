/**
 * A server that behaves as Cloud Hypervisor's interface says, strictly: what its OpenAPI description does not know is an
 * error, and so is a call in the wrong state. The guest is a real VM.
 */
import { type Answer, DONE, flag, Refused, serveApi } from "./api_server.ts";
import { type GuestDisk, type GuestNet, GuestVm } from "./guest_vm.ts";
import { OpenApi } from "./openapi.ts";

interface Config {
  readonly cpus: { readonly boot_vcpus: number };
  readonly memory: { readonly size: number };
  readonly payload: { kernel: string; cmdline: string; initramfs?: string };
  readonly disks?: readonly DiskConfig[];
  readonly net?: readonly GuestNet[];
  readonly serial: { readonly mode: string; readonly file: string };
  readonly vsock: { readonly socket: string };
}

interface DiskConfig {
  readonly id: string;
  readonly path: string;
  readonly readonly?: boolean;
}

const version = Deno.env.get("KATA_TEST_VMM_VERSION") ?? "40.0.0";
const PING = { build_version: `v${version}`, version, pid: Deno.pid, features: [] };
const MIB = 1024 * 1024;

const api = await OpenApi.read("cloud-hypervisor-openapi.yaml");
const socketPath = (flag(Deno.args, "--api-socket") ?? "").replace(/^path=/, "");
const eventsFd = Number((flag(Deno.args, "--event-monitor") ?? "").replace(/^fd=/, ""));
const folder = `${socketPath.slice(0, socketPath.lastIndexOf("/"))}/vmm`;
const events = Deno.openSync(`/proc/self/fd/${eventsFd}`, { write: true });

let config: Config | undefined;
let vm: GuestVm | undefined;
let state: "None" | "Created" | "Running" | "Paused" = "None";

function tell(source: string, event: string): void {
  const text = JSON.stringify({ timestamp: {}, source, event, properties: null }, null, 2);
  events.writeSync(new TextEncoder().encode(`${text}\n\n`));
}

function disk({ id, path, readonly = false }: DiskConfig): GuestDisk {
  return { id, path, readonly };
}

function need(...allowed: (typeof state)[]): void {
  if (allowed.includes(state)) return;
  throw new Refused(state === "None" ? 404 : 405, `The VM is ${state}`);
}

async function boot({ cpus, memory, payload, ...rest }: Config): Promise<void> {
  const machine = {
    kernel: payload.kernel,
    initrd: payload.initramfs,
    commandLine: payload.cmdline,
    vcpus: cpus.boot_vcpus,
    memoryMiB: memory.size / MIB,
    disks: (rest.disks ?? []).map(disk),
    nets: rest.net ?? [],
    vsockPath: rest.vsock.socket,
    consolePath: rest.serial.file.replace("/proc/self/", `/proc/${Deno.pid}/`),
  };
  vm = await GuestVm.boot(machine, folder, ({ name, data }) => {
    if (name === "GUEST_PANICKED") tell("guest", "panic");
    if (name !== "SHUTDOWN") return;
    if (data.reason === "guest-reset") tell("vm", "rebooting");
    if (data.reason === "guest-shutdown") end();
  });
  state = "Running";
}

/** As the VMM ends when its guest powers off. */
function end(): void {
  tell("vm", "shutdown");
  void (vm?.stop() ?? Promise.resolve()).finally(async () => {
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // never booted
    Deno.exit(0);
  });
}

function place(slot: number, id: string): Answer {
  const device = slot.toString(16).padStart(2, "0");
  return { status: 200, body: { id, bdf: `0000:00:${device}.0` } };
}

async function handle(
  _method: string,
  path: string,
  body: Record<string, unknown>,
): Promise<Answer> {
  switch (path) {
    case "/vmm.ping":
      return { status: 200, body: PING };
    case "/vmm.shutdown":
      queueMicrotask(end);
      return DONE;
    case "/vm.create":
      if (state !== "None") throw new Refused(500, "The VM is there already");
      config = body as unknown as Config;
      state = "Created";
      return DONE;
    case "/vm.boot":
      need("Created");
      if (config) await boot(config);
      return DONE;
    case "/vm.pause":
      need("Running");
      await vm?.pause();
      state = "Paused";
      return DONE;
    case "/vm.resume":
      need("Paused");
      await vm?.resume();
      state = "Running";
      return DONE;
    case "/vm.add-disk": {
      need("Running");
      const config = body as unknown as DiskConfig;
      return place(await vm?.addDisk(disk(config)) ?? -1, config.id);
    }
    case "/vm.add-net": {
      need("Running");
      const config = body as unknown as GuestNet;
      return place(await vm?.addNet(config) ?? -1, config.id);
    }
    case "/vm.resize-disk":
      need("Running");
      await vm?.resizeDisk(String(body.id), Number(body.desired_size));
      return DONE;
    case "/vm.remove-device":
      need("Running");
      await vm?.remove(String(body.id));
      return DONE;
    default:
      throw new Refused(500, `${path} is not served here`);
  }
}

serveApi({
  ...{ socketPath, api, base: "/api/v1", handle },
  fault: (text) => JSON.stringify(["Error from API", text]),
});
