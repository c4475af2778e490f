import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Device, Disk, Net, ShareVirtioFs } from "../device.ts";
import { GUEST_KERNEL_PARAMS, HOT_MEMORY_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { VmSpec } from "../hypervisor.ts";
import { rateLimiter } from "../rate_limiter.ts";
import type { CloudHypervisorOptions } from "./options.ts";

/** Any number from 3 on does: the VMM serves one VM's vsock through a Unix socket, so nobody else sees it. */
const GUEST_CID = 3;
const MIB = 1024 * 1024;
/** What virtio-mem adds is so large, or so many times as large. Source: Cloud Hypervisor, VIRTIO_MEM_ALIGN_SIZE. */
export const MEMORY_BLOCK_MIB = 128;

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
  // A clone's share is plugged in, and the memory that it needs cannot become shared then.
  const shared = shares.length > 0 || spec.template !== undefined;
  return {
    cpus: { boot_vcpus: spec.vcpus, max_vcpus: spec.maxVcpus },
    memory: memoryConfig(spec, options, shared),
    payload: {
      kernel: spec.kernel,
      cmdline: commandLine(spec, options),
      ...(spec.initrd === undefined ? {} : { initramfs: spec.initrd }),
    },
    disks: [...(spec.image === undefined ? [] : [imageDisk(spec.image)]), ...disks],
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
  spec: VmSpec,
  options: CloudHypervisorOptions,
  shared: boolean,
): Record<string, unknown> {
  const { memoryMiB } = spec, room = memoryRoomMiB(spec) * MIB;
  return {
    size: memoryMiB * MIB,
    shared: shared || options.hugepages,
    hugepages: options.hugepages,
    prefault: options.memPrealloc,
    ...(room > 0 ? { hotplug_method: "VirtioMem", hotplug_size: room } : {}),
  };
}

/** How much memory can be added, in whole blocks. */
export function memoryRoomMiB({ memoryMiB, maxMemoryMiB }: VmSpec): number {
  return Math.floor((maxMemoryMiB - memoryMiB) / MEMORY_BLOCK_MIB) * MEMORY_BLOCK_MIB;
}

function commandLine(spec: VmSpec, { debug }: CloudHypervisorOptions): string {
  return [
    "console=ttyS0",
    ...GUEST_KERNEL_PARAMS.filter((word) => !debug || word !== "quiet"),
    ...(debug ? ["loglevel=7"] : []),
    ...(memoryRoomMiB(spec) > 0 ? HOT_MEMORY_KERNEL_PARAMS : []),
    ...(spec.image === undefined ? [] : ["root=/dev/vda", "ro"]),
    ...spec.kernelParams,
  ].join(" ");
}

/** The image comes first, so that it is /dev/vda. */
function imageDisk(path: string): Record<string, unknown> {
  return { id: "image", path, readonly: true };
}

/** The body of `vm.add-disk`, too. */
export function diskConfig(
  { id, path, readonly }: Disk,
  { diskLimits }: Pick<CloudHypervisorOptions, "diskLimits">,
): Record<string, unknown> {
  const limiter = rateLimiter(diskLimits);
  return { id, path, readonly, ...(limiter && { rate_limiter_config: limiter }) };
}

/** The body of `vm.add-net`, too. */
export function netConfig(
  { id, tap, mac }: Net,
  { netLimits }: Pick<CloudHypervisorOptions, "netLimits">,
): Record<string, unknown> {
  const limiter = rateLimiter(netLimits);
  return { id, tap, mac, ...(limiter && { rate_limiter_config: limiter }) };
}

/** The body of `vm.add-fs`, too. A share is called as the guest calls it. */
export function fsConfig({ tag, socketPath, queueSize }: ShareVirtioFs): Record<string, unknown> {
  return { id: shareId(tag), tag, socket: socketPath, num_queues: 1, queue_size: queueSize };
}

/** What a share is detached by. */
export function shareId(tag: string): string {
  return `fs-${tag}`;
}

/** @throws {RuntimeError} Unimplemented: Cloud Hypervisor has no such device. */
export function refuseUnknown({ kind }: Device): void {
  if (kind === "disk" || kind === "net" || kind === "share-virtio-fs") return;
  throw new RuntimeError(Code.Unimplemented, `Cloud Hypervisor has no ${kind} device`);
}
