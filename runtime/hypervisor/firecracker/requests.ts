import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Device, Disk, Net } from "../device.ts";
import { GUEST_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { VmSpec } from "../hypervisor.ts";
import { NO_LIMITS, rateLimiter } from "../rate_limiter.ts";
import type { FirecrackerOptions } from "./options.ts";
import { PLACEHOLDERS } from "./placeholders.ts";

/** Any number from 3 on does: the VMM serves one VM's vsock through a Unix socket, so nobody else sees it. */
const GUEST_CID = 3;

/**
 * The VMM's own files, as it names them: relative, so that a clone, which keeps its template's names, has its own.
 */
export const FILES = {
  /** Where the host reaches the guest's vsock. */
  vsock: "vsock.sock",
  /** What drives that wait for a disk show meanwhile. */
  placeholder: "placeholder",
  /** Where the VMM writes its figures: in a folder of its own, because whoever watches a folder may open what is new. */
  metrics: "figures/metrics",
  /** Where the VMM logs, with `enable_debug`. */
  log: "vmm.log",
} as const;

/** One call that prepares the VM. */
export interface Request {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** How the VMM tells of itself; the first that it is told. Pure. */
export function reportRequests({ debug }: FirecrackerOptions): Request[] {
  const logger = { log_path: FILES.log, level: "Debug", show_level: true };
  return [
    ...(debug ? [put("/logger", logger)] : []),
    put("/metrics", { metrics_path: FILES.metrics }),
  ];
}

/**
 * Everything else that is said before the start, in the order in which Firecracker wants it. Pure.
 * Source: Firecracker's OpenAPI description.
 * @throws {RuntimeError} Unimplemented: a device that this VMM does not have.
 */
export function bootRequests(spec: VmSpec, options: FirecrackerOptions): Request[] {
  return [
    put("/machine-config", {
      vcpu_count: spec.vcpus,
      mem_size_mib: spec.memoryMiB,
      smt: false,
      ...(options.hugepages ? { huge_pages: "2M" } : {}),
    }),
    put("/boot-source", {
      kernel_image_path: spec.kernel,
      boot_args: commandLine(spec, options),
      ...(spec.initrd === undefined ? {} : { initrd_path: spec.initrd }),
    }),
    ...driveRequests(spec, options),
    ...spec.devices.flatMap((device) => deviceRequests(device, options)),
    put("/vsock", { guest_cid: GUEST_CID, uds_path: FILES.vsock }),
    put("/entropy", {}),
    ...(options.freePageReporting
      ? [put("/balloon", { amount_mib: 0, deflate_on_oom: true, free_page_reporting: true })]
      : []),
  ];
}

/**
 * Goes on where a VM was saved: memory is mapped copy-on-write. Pure.
 * Source: Firecracker's OpenAPI description, SnapshotLoadParams.
 */
export function loadRequest(memory: string, state: string): Request {
  const backend = { backend_type: "File", backend_path: memory };
  return put("/snapshot/load", { snapshot_path: state, mem_backend: backend, resume_vm: true });
}

function put(path: string, body: Record<string, unknown>): Request {
  return { path, body };
}

function commandLine(spec: VmSpec, { debug }: FirecrackerOptions): string {
  return [
    // Its only devices: a serial line, and virtio on MMIO, named to the kernel by the VMM itself.
    ...["console=ttyS0", "reboot=k", "pci=off", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd"],
    ...GUEST_KERNEL_PARAMS.filter((word) => !debug || word !== "quiet"),
    ...(debug ? ["loglevel=7"] : []),
    ...(spec.image === undefined ? [] : ["root=/dev/vda", "ro"]),
    ...spec.kernelParams,
  ].join(" ");
}

/** Disks that are there from the start, in the order in which the guest numbers them. */
function driveRequests(spec: VmSpec, { diskLimits }: FirecrackerOptions): Request[] {
  const limiter = rateLimiter(diskLimits);
  const drive = (id: string, path: string, readonly: boolean): Request =>
    put(`/drives/${driveId(id)}`, {
      drive_id: driveId(id),
      path_on_host: path,
      is_read_only: readonly,
      is_root_device: false,
      ...(limiter && { rate_limiter: limiter }),
    });
  return [
    ...bootDisks(spec).map(({ id, path, readonly }) => drive(id, path, readonly)),
    ...PLACEHOLDERS.map(({ id, readonly }) => drive(id, FILES.placeholder, readonly)),
  ];
}

/** The image first, so that it is /dev/vda. */
export function bootDisks({ image, devices }: VmSpec): Disk[] {
  const disks = devices.filter((device) => device.kind === "disk");
  if (image === undefined) return disks;
  return [{ kind: "disk", id: "image", path: image, source: "file", readonly: true }, ...disks];
}

/** Firecracker's ids have letters, digits and underscores. */
export function driveId(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_]/g, "_");
}

function deviceRequests(device: Device, options: FirecrackerOptions): Request[] {
  switch (device.kind) {
    case "disk":
      return []; // see driveRequests
    case "net":
      return [net(device, options)];
    default:
      throw new RuntimeError(Code.Unimplemented, `Firecracker has no ${device.kind} device`);
  }
}

function net({ id, tap, mac }: Net, { rxMaxRate, txMaxRate }: FirecrackerOptions): Request {
  const rx = rateLimiter({ ...NO_LIMITS, bitsPerSecond: rxMaxRate });
  const tx = rateLimiter({ ...NO_LIMITS, bitsPerSecond: txMaxRate });
  return put(`/network-interfaces/${driveId(id)}`, {
    iface_id: driveId(id),
    host_dev_name: tap,
    guest_mac: mac,
    ...(rx && { rx_rate_limiter: rx }),
    ...(tx && { tx_rate_limiter: tx }),
  });
}
