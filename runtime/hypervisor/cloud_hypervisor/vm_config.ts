import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Device, Disk, Net, ShareVirtioFs } from "../device.ts";
import { GUEST_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { VmSpec } from "../hypervisor.ts";
import { type RateLimit, rateLimiter } from "../rate_limiter.ts";
import type { CloudHypervisorOptions } from "./options.ts";

/** Any number from 3 on does: the VMM serves one VM's vsock through a Unix socket, so nobody else sees it. */
const GUEST_CID = 3;
const MIB = 1024 * 1024;

/** Sockets and descriptors that the driver made for this VM. */
export interface CloudHypervisorPlan {
  readonly options: CloudHypervisorOptions;
  /** Where the host reaches the guest's vsock. */
  readonly vsockPath: string;
  /** A path that the VMM opens to write the guest's console. */
  readonly consolePath: string;
}

/**
 * The body of `vm.create`. Pure: the same input gives the same object.
 * Source: Cloud Hypervisor's OpenAPI description, VmConfig.
 * @throws {RuntimeError} Unimplemented: a device that this VMM does not have.
 */
export function vmConfig(spec: VmSpec, plan: CloudHypervisorPlan): Record<string, unknown> {
  const { options } = plan;
  const disks = spec.devices.filter((device) => device.kind === "disk")
    .map((disk) => diskConfig(disk, options));
  const nets = spec.devices.filter((device) => device.kind === "net")
    .map((net) => netConfig(net, options));
  const shares = spec.devices.filter((device) => device.kind === "share-virtio-fs").map(fsConfig);
  for (const device of spec.devices) refuseUnknown(device);
  return {
    cpus: { boot_vcpus: spec.vcpus, max_vcpus: spec.maxVcpus },
    memory: memoryConfig(spec, plan, shares.length > 0),
    payload: {
      kernel: spec.kernel,
      cmdline: commandLine(spec, options),
      ...(spec.initrd === undefined ? {} : { initramfs: spec.initrd }),
    },
    disks: [...(spec.image === undefined ? [] : [imageDisk(spec.image, options)]), ...disks],
    net: nets,
    fs: shares,
    rng: { src: options.entropySource },
    ...(options.freePageReporting ? { balloon: { size: 0, free_page_reporting: true } } : {}),
    serial: { mode: "File", file: plan.consolePath },
    console: { mode: "Off" },
    vsock: { cid: GUEST_CID, socket: plan.vsockPath, id: "vsock" },
    pvpanic: true,
  };
}

function memoryConfig(
  { memoryMiB, maxMemoryMiB }: VmSpec,
  { options }: CloudHypervisorPlan,
  shared: boolean,
): Record<string, unknown> {
  const room = (maxMemoryMiB - memoryMiB) * MIB;
  return {
    size: memoryMiB * MIB,
    shared: shared || options.hugepages,
    hugepages: options.hugepages,
    prefault: options.memPrealloc,
    ...(room > 0 ? { hotplug_method: "VirtioMem", hotplug_size: room } : {}),
  };
}

function commandLine(spec: VmSpec, { debug }: CloudHypervisorOptions): string {
  return [
    "console=ttyS0",
    ...GUEST_KERNEL_PARAMS.filter((word) => !debug || word !== "quiet"),
    ...(debug ? ["loglevel=7"] : []),
    ...(spec.image === undefined ? [] : ["root=/dev/vda", "ro"]),
    ...spec.kernelParams,
  ].join(" ");
}

/** The image comes first, so that it is /dev/vda. */
function imageDisk(path: string, options: DeviceLimits): Record<string, unknown> {
  return diskConfig({ id: "image", path, readonly: true }, options);
}

/** What the configuration allows each device. */
export type DeviceLimits = Pick<CloudHypervisorOptions, "diskLimit" | "netLimit">;

/** The body of `vm.add-disk`, too. */
export function diskConfig(
  { id, path, readonly }: Pick<Disk, "id" | "path" | "readonly">,
  { diskLimit }: DeviceLimits,
): Record<string, unknown> {
  return { id, path, readonly, ...limited(diskLimit) };
}

/** The body of `vm.add-net`, too. */
export function netConfig(
  { id, tap, mac }: Net,
  { netLimit }: DeviceLimits,
): Record<string, unknown> {
  return { id, tap, mac, ...limited(netLimit) };
}

function limited(limit: RateLimit): Record<string, unknown> {
  const limiter = rateLimiter(limit);
  return limiter ? { rate_limiter_config: limiter } : {};
}

function fsConfig({ tag, socketPath, queueSize }: ShareVirtioFs): Record<string, unknown> {
  return { tag, socket: socketPath, num_queues: 1, queue_size: queueSize };
}

function refuseUnknown({ kind }: Device): void {
  if (kind === "disk" || kind === "net" || kind === "share-virtio-fs") return;
  throw new RuntimeError(Code.Unimplemented, `Cloud Hypervisor has no ${kind} device`);
}
