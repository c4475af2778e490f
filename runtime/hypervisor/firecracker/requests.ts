import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Device, Disk, Net } from "../device.ts";
import { GUEST_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { VmSpec } from "../hypervisor.ts";
import type { FirecrackerOptions } from "./options.ts";
import { NO_LIMIT, rateLimiter } from "../rate_limiter.ts";
import { placeholderId, PLACEHOLDERS } from "./placeholders.ts";

/** Any number from 3 on does: the VMM serves one VM's vsock through a Unix socket, so nobody else sees it. */
const GUEST_CID = 3;

/** Files and sockets that the driver made for this VM. */
export interface FirecrackerPlan {
  readonly options: FirecrackerOptions;
  /** Where the host reaches the guest's vsock. */
  readonly vsockPath: string;
  /** What drives that wait for a disk show meanwhile. */
  readonly placeholderPath: string;
  /** Where the VMM writes its figures. */
  readonly metricsPath: string;
  /** Where the VMM logs; absent: nowhere. */
  readonly logPath: string | undefined;
}

/** One call that prepares the VM. */
export interface Request {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Everything that is said before the start, in the order in which Firecracker wants it. Pure.
 * Source: Firecracker's OpenAPI description.
 * @throws {RuntimeError} Unimplemented: a device that this VMM does not have.
 */
export function bootRequests(spec: VmSpec, plan: FirecrackerPlan): Request[] {
  const { options } = plan;
  return [
    ...(plan.logPath === undefined ? [] : [put("/logger", {
      log_path: plan.logPath,
      level: "Debug",
      show_level: true,
    })]),
    put("/metrics", { metrics_path: plan.metricsPath }),
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
    ...driveRequests(spec, plan),
    ...spec.devices.flatMap((device) => deviceRequests(device, options)),
    put("/vsock", { guest_cid: GUEST_CID, uds_path: plan.vsockPath }),
    put("/entropy", {}),
    ...(options.freePageReporting
      ? [put("/balloon", { amount_mib: 0, deflate_on_oom: true, free_page_reporting: true })]
      : []),
  ];
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
function driveRequests(spec: VmSpec, { placeholderPath, options }: FirecrackerPlan): Request[] {
  const known = bootDisks(spec).map((disk) => drive(disk, options));
  const waiting = Array.from({ length: PLACEHOLDERS }, (_, index) => {
    const disk = { id: placeholderId(index), path: placeholderPath, readonly: false };
    return drive(disk, options);
  });
  return [...known, ...waiting];
}

function drive(
  { id, path, readonly }: Pick<Disk, "id" | "path" | "readonly">,
  { diskLimit }: FirecrackerOptions,
): Request {
  const limiter = rateLimiter(diskLimit);
  return put(`/drives/${driveId(id)}`, {
    drive_id: driveId(id),
    path_on_host: path,
    is_read_only: readonly,
    is_root_device: false,
    ...(limiter && { rate_limiter: limiter }),
  });
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
  return put(`/network-interfaces/${driveId(id)}`, {
    iface_id: driveId(id),
    host_dev_name: tap,
    guest_mac: mac,
    ...limited("rx_rate_limiter", rxMaxRate),
    ...limited("tx_rate_limiter", txMaxRate),
  });
}

function limited(key: string, bandwidth: number): Record<string, unknown> {
  const limiter = rateLimiter({ ...NO_LIMIT, bandwidth });
  return limiter ? { [key]: limiter } : {};
}
