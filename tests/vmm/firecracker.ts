/**
 * A server that behaves as Firecracker's interface says, strictly: what its OpenAPI description does not know is an
 * error, and so is a call before or after the start that belongs to the other side of it. The guest is a real VM.
 */
import { type Answer, DONE, flag, Refused, serveApi } from "./api_server.ts";
import { type GuestDisk, type GuestNet, GuestVm } from "./guest_vm.ts";
import { OpenApi } from "./openapi.ts";

type Body = Record<string, unknown>;

const api = await OpenApi.read("firecracker-openapi.yaml");
const socketPath = flag(Deno.args, "--api-sock") ?? "";
const folder = `${socketPath.slice(0, socketPath.lastIndexOf("/"))}/vmm`;
const version = Deno.env.get("KATA_TEST_VMM_VERSION") ?? "1.13.0";
const MAX_ID_LENGTH = 64;

let machine: Body | undefined;
let boot: Body | undefined;
let vsock: Body | undefined;
const drives = new Map<string, GuestDisk>();
const nets = new Map<string, GuestNet>();
let vm: GuestVm | undefined;
let state: "Not started" | "Running" | "Paused" = "Not started";

function before(): void {
  if (state === "Not started") return;
  throw new Refused(400, "The requested operation is not supported after starting the microVM.");
}

function after(): void {
  if (state !== "Not started") return;
  throw new Refused(400, "The requested operation is not supported before starting the microVM.");
}

function checkId(path: string, id: unknown): string {
  const text = String(id);
  const named = path.slice(path.lastIndexOf("/") + 1);
  const valid = /^[A-Za-z0-9_]+$/.test(text) && text.length <= MAX_ID_LENGTH && named === text;
  if (!valid) throw new Refused(400, `Invalid id ${JSON.stringify(id)} at ${path}`);
  return text;
}

function existing(path: unknown): string {
  try {
    Deno.statSync(String(path));
    return String(path);
  } catch {
    throw new Refused(400, `No such file: ${path}`);
  }
}

async function start(): Promise<void> {
  if (!boot) throw new Refused(400, "Cannot start microvm without kernel configuration.");
  vm = await GuestVm.boot(
    {
      kernel: existing(boot.kernel_image_path),
      initrd: boot.initrd_path === undefined ? undefined : existing(boot.initrd_path),
      commandLine: String(boot.boot_args ?? ""),
      vcpus: Number(machine?.vcpu_count ?? 1),
      memoryMiB: Number(machine?.mem_size_mib ?? 128),
      disks: [...drives.values()],
      nets: [...nets.values()],
      vsockPath: String(vsock?.uds_path ?? `${folder}/no-vsock`),
      consolePath: `/proc/${Deno.pid}/fd/1`,
    },
    folder,
    () => {},
  );
  state = "Running";
  void vm.ended.then(end);
}

async function end(): Promise<void> {
  await vm?.stop();
  await Deno.remove(folder, { recursive: true }).catch(() => {}); // never booted
  Deno.exit(0);
}

/** What is said before the start. */
function prepare(path: string, body: Body): Answer {
  before();
  const [, kind] = path.split("/");
  switch (kind) {
    case "machine-config":
      machine = body;
      return DONE;
    case "boot-source":
      boot = { ...body, kernel_image_path: existing(body.kernel_image_path) };
      return DONE;
    case "drives": {
      const id = checkId(path, body.drive_id);
      drives.set(id, {
        id,
        path: existing(body.path_on_host),
        readonly: body.is_read_only === true,
      });
      return DONE;
    }
    case "network-interfaces": {
      const id = checkId(path, body.iface_id);
      nets.set(id, { id, tap: String(body.host_dev_name), mac: String(body.guest_mac) });
      return DONE;
    }
    case "vsock":
      vsock = body;
      return DONE;
    case "metrics":
      existing(body.metrics_path);
      return DONE;
    case "logger":
      existing(body.log_path);
      return DONE;
    case "entropy":
    case "balloon":
      return DONE;
    default:
      throw new Refused(400, `${path} is not served here`);
  }
}

async function act(body: Body): Promise<Answer> {
  if (body.action_type !== "InstanceStart") {
    throw new Refused(400, `${body.action_type} is not served here`);
  }
  before();
  await start();
  return DONE;
}

/** What is said after the start. */
async function change(path: string, body: Body): Promise<Answer> {
  after();
  if (path === "/vm") {
    const paused = body.state === "Paused";
    await (paused ? vm?.pause() : vm?.resume());
    state = paused ? "Paused" : "Running";
    return DONE;
  }
  const id = checkId(path, body.drive_id);
  if (!drives.has(id)) throw new Refused(400, `No drive ${id}`);
  await vm?.exchange(id, existing(body.path_on_host));
  return DONE;
}

async function handle(method: string, path: string, body: Body): Promise<Answer> {
  if (method === "GET" && path === "/version") {
    return { status: 200, body: { firecracker_version: version } };
  }
  if (method === "PUT" && path === "/actions") return await act(body);
  if (method === "PUT") return prepare(path, body);
  if (method === "PATCH") return await change(path, body);
  throw new Refused(400, `${method} ${path} is not served here`);
}

serveApi({
  ...{ socketPath, api, base: "", handle },
  fault: (text) => JSON.stringify({ fault_message: text }),
});
