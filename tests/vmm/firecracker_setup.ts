/** What Firecracker is told before the start, checked as Firecracker checks it. */
import { Refused } from "./api_server.ts";
import type { GuestDisk, GuestMachine, GuestNet } from "./machine.ts";

export type Body = Record<string, unknown>;

const MAX_ID_LENGTH = 64;
/** Each device has an interrupt of its own, from 5 to 23. Source: Firecracker, src/vmm/src/arch/x86_64/layout.rs. */
const MAX_DEVICES = 19;
/** Source: Firecracker's unix socket paths, sun_path less its NUL. */
const MAX_SOCKET_PATH = 107;

/** A file that the VMM can open. */
export function existing(path: unknown): string {
  try {
    Deno.statSync(String(path));
    return String(path);
  } catch {
    throw new Refused(400, `No such file or directory: ${path}`);
  }
}

function checkId(path: string, id: unknown): string {
  const text = String(id);
  const named = path.slice(path.lastIndexOf("/") + 1);
  const valid = /^[A-Za-z0-9_]+$/.test(text) && text.length <= MAX_ID_LENGTH && named === text;
  if (!valid) throw new Refused(400, `Invalid id ${JSON.stringify(id)} at ${path}`);
  return text;
}

/** All of it that outlives a snapshot. */
interface Resources {
  machine: Body;
  boot: Body | undefined;
  vsock: Body | undefined;
  balloon: Body | undefined;
  entropy: boolean;
  drives: GuestDisk[];
  nets: GuestNet[];
}

export class FirecrackerSetup {
  #resources: Resources = {
    ...{ machine: { vcpu_count: 1, mem_size_mib: 128 }, boot: undefined, vsock: undefined },
    ...{ balloon: undefined, entropy: false, drives: [], nets: [] },
  };
  #metrics: Deno.FsFile | undefined;
  #log: Deno.FsFile | undefined;
  /** Nothing was said but about logger and metrics. */
  fresh = true;

  get resources(): Resources {
    return this.#resources;
  }

  set resources(saved: Resources) {
    for (const { path } of saved.drives) existing(path);
    this.#resources = saved;
  }

  /** One PUT before the start. */
  put(path: string, body: Body): void {
    const [, kind = ""] = path.split("/");
    if (kind === "metrics") {
      this.#metrics = openOnce(this.#metrics, body.metrics_path);
      return;
    }
    if (kind === "logger") {
      this.#log = openOnce(this.#log, body.log_path);
      return;
    }
    this.fresh = false;
    this.#configure(kind, path, body);
    const { drives, nets, vsock, balloon, entropy } = this.#resources;
    const others = [vsock, balloon, entropy || undefined].filter((each) => each !== undefined);
    if (drives.length + nets.length + others.length > MAX_DEVICES) {
      throw new Refused(400, "Failed to allocate a requested resource: no interrupt is left");
    }
  }

  /** A drive that is to have another file; `undefined`: only its limits change. */
  patched(path: string, body: Body): GuestDisk | undefined {
    const id = checkId(path, body.drive_id);
    const drive = this.#resources.drives.find((each) => each.id === id);
    if (drive === undefined) throw new Refused(400, `Invalid device id ${id}`);
    if (body.path_on_host === undefined) return undefined;
    return { ...drive, path: absolute(existing(body.path_on_host)) };
  }

  needBalloon(): void {
    if (this.#resources.balloon === undefined) throw new Refused(400, "No balloon device found.");
  }

  flushMetrics(): void {
    if (this.#metrics === undefined) throw new Refused(400, "Metrics are not initialised.");
    const figures = { utc_timestamp_ms: Date.now(), block: { read_bytes: 0, write_bytes: 0 } };
    this.#metrics.writeSync(new TextEncoder().encode(`${JSON.stringify(figures)}\n`));
  }

  /** The machine that stands in for it. */
  machine(): GuestMachine {
    const { boot, machine, vsock, drives, nets } = this.#resources;
    if (!boot) throw new Refused(400, "Cannot start microvm without kernel configuration.");
    const vcpus = Number(machine.vcpu_count), memoryMiB = Number(machine.mem_size_mib);
    return {
      kernel: existing(boot.kernel_image_path),
      initrd: boot.initrd_path === undefined ? undefined : existing(boot.initrd_path),
      commandLine: String(boot.boot_args ?? ""),
      ...{ vcpus, maxVcpus: vcpus, memoryMiB, hotMemoryMiB: 0, nets, shares: [] },
      disks: drives.map((drive) => ({ ...drive, path: absolute(drive.path) })),
      ...{ vsockPath: absolute(String(vsock?.uds_path ?? "no-vsock")), consoleFd: 1 },
    };
  }

  #configure(kind: string, path: string, body: Body): void {
    const all = this.#resources;
    switch (kind) {
      case "machine-config":
        if (Number(body.mem_size_mib) < 1) throw new Refused(400, "The memory size is invalid.");
        all.machine = body;
        return;
      case "boot-source":
        existing(body.kernel_image_path);
        all.boot = body;
        return;
      case "drives": {
        const id = checkId(path, body.drive_id), readonly = body.is_read_only === true;
        replace(all.drives, { id, path: existing(body.path_on_host), readonly });
        return;
      }
      case "network-interfaces": {
        const id = checkId(path, body.iface_id);
        replace(all.nets, { id, tap: String(body.host_dev_name), mac: String(body.guest_mac) });
        return;
      }
      case "vsock":
        if (String(body.uds_path).length > MAX_SOCKET_PATH) throw new Refused(400, "path too long");
        all.vsock = body;
        return;
      case "balloon":
        all.balloon = body;
        return;
      case "entropy":
        all.entropy = true;
        return;
      default:
        throw new Refused(400, `${path} is not served here`);
    }
  }
}

function replace<T extends { readonly id: string }>(list: T[], entry: T): void {
  const at = list.findIndex(({ id }) => id === entry.id);
  list.splice(at < 0 ? list.length : at, at < 0 ? 0 : 1, entry);
}

/** Paths are the VMM's, so from its own folder. */
export function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

/** A file or a pipe, for both reading and writing, so that a pipe without a reader does not keep the VMM. */
function openOnce(known: Deno.FsFile | undefined, path: unknown): Deno.FsFile {
  if (known !== undefined) throw new Refused(400, "It was initialised before.");
  return Deno.openSync(existing(path), { read: true, write: true });
}
