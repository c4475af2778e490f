import { ioUringAvailable } from "../../common/linux/io_uring.ts";
import { Code, RuntimeError, unreachable } from "../../common/base/errors.ts";
import type { HypervisorConfig } from "../config/config.ts";
import { sharedFsOf } from "../config/shared_fs.ts";
import { CloudHypervisorDriver } from "./cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "./firecracker/driver.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { RateLimits } from "./rate_limiter.ts";
import { QemuDriver } from "./qemu/driver.ts";
import type { DiskOptions } from "./qemu/options.ts";
import { MAX_ROOT_PORTS } from "./qemu/device_arguments.ts";
import { diskPorts } from "./qemu/disk.ts";
import { MACHINES } from "./qemu/machine.ts";
import { RemoteDriver } from "./remote/driver.ts";

/**
 * The driver of the configured VMM: the one place that names drivers.
 * @throws {RuntimeError} Unimplemented: not on this host, or a setting that the driver does not have. InvalidArgument: the
 * VMM cannot do what is asked for. Both name the key.
 */
export function createHypervisor(config: HypervisorConfig): Hypervisor {
  switch (config.name) {
    case "qemu":
      return qemu(config);
    case "clh":
      return possible(config, cloudHypervisor(config));
    case "firecracker":
      return possible(config, firecracker(config));
    case "remote":
      return possible(config, remote(config));
    default:
      return unreachable(config.name);
  }
}

/**
 * How QEMU's guests run on this host, by a trial where the configuration leaves it open.
 * @throws {RuntimeError} FailedPrecondition: the configuration forces what cannot be had.
 */
export async function acceleratorOf(
  { path, accelerator }: HypervisorConfig,
  signal: AbortSignal,
): Promise<"kvm" | "tcg"> {
  const { chooseAccelerator } = await import("./qemu/accelerator.ts");
  const stateDir = await Deno.makeTempDir({ prefix: "kata-check-" });
  try {
    // Its own cache: a check looks anew.
    return await chooseAccelerator({ path, accelerator, cacheDir: stateDir }, stateDir, signal);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
}

function qemu(config: HypervisorConfig): Hypervisor {
  const { machineType } = config;
  const { arch } = MACHINES[machineType];
  if (arch !== Deno.build.arch) {
    throw new RuntimeError(
      Code.Unimplemented,
      `machine_type = "${machineType}": that is a machine of ${arch}, and this host is ${Deno.build.arch}`,
    );
  }
  return new QemuDriver({
    path: config.path,
    machineType,
    machineAccelerators: config.machineAccelerators,
    accelerator: config.accelerator,
    transport: config.transport,
    vhostDeviceVsock: config.vhostDeviceVsock,
    cpuFeatures: config.cpuFeatures,
    debug: config.enableDebug,
    seccompSandbox: config.seccompsandbox,
    entropySource: config.entropySource,
    freePageReporting: config.reclaimGuestFreedMemory,
    memPrealloc: config.enableMemPrealloc,
    disk: diskOptions(config),
    firmware: config.firmware,
    rootPorts: rootPorts(config),
    virtioMem: config.enableVirtioMem,
    hugePages: config.enableHugepages,
    ...(config.enableNuma && { numa: { mapping: config.numaMapping } }),
    rootless: config.rootless,
  });
}

/** @throws {RuntimeError} InvalidArgument: more slots than there is room for; names the key. */
function rootPorts(config: HypervisorConfig): number {
  const { pcieRootPort, blockDeviceDriver: driver } = config;
  const most = MAX_ROOT_PORTS - diskPorts({ driver });
  if (pcieRootPort <= most) return pcieRootPort;
  const disks = most < MAX_ROOT_PORTS ? ` beside those of block_device_driver = "${driver}"` : "";
  throw new RuntimeError(
    Code.InvalidArgument,
    `pcie_root_port = ${pcieRootPort}: QEMU's machines have room for ${most}${disks}`,
  );
}

/** @throws {RuntimeError} Unimplemented: a bus that QEMU's machines do not have; names the key. */
function diskOptions(config: HypervisorConfig): DiskOptions {
  const { blockDeviceDriver: driver, blockDeviceAio: aio } = config;
  if (driver === "virtio-mmio") {
    throw new RuntimeError(
      Code.Unimplemented,
      `block_device_driver = "${driver}": the QEMU driver has virtio-scsi and virtio-blk`,
    );
  }
  const { blockDeviceCacheDirect: direct, blockDeviceCacheNoflush: noFlush } = config;
  return {
    driver,
    aio: aio === "io_uring" && !ioUringAvailable() ? "threads" : aio,
    ...(config.blockDeviceCacheSet && { cache: { direct, noFlush } }),
    logicalSectorBytes: config.blockDeviceLogicalSectorSize,
    physicalSectorBytes: config.blockDevicePhysicalSectorSize,
    queues: config.numQueues,
    queueSize: config.queueSize,
    iothread: config.enableIothreads,
  };
}

/** @throws {RuntimeError} InvalidArgument: the configuration asks for what this VMM cannot do; names VMM and key. */
function possible(config: HypervisorConfig, hypervisor: Hypervisor): Hypervisor {
  const { shareFs, transports } = hypervisor.capabilities;
  const share = sharedFsOf(config), { transport } = config;
  const refuse = (key: string, value: string, offers: readonly string[]): never => {
    const can = offers.map((each) => `"${each}"`).join(", ");
    throw new RuntimeError(
      Code.InvalidArgument,
      `[hypervisor.${config.name}]: ${key} = "${value}": this VMM has ${can} only`,
    );
  };
  if (share !== "none" && !shareFs.includes(share)) {
    refuse("shared_fs", share, [...shareFs, "none"]);
  }
  if (transport !== "auto" && !transports.includes(transport)) {
    refuse("transport", transport, transports);
  }
  return hypervisor;
}

function cloudHypervisor(config: HypervisorConfig): Hypervisor {
  return new CloudHypervisorDriver({
    path: config.path,
    seccomp: !config.disableSeccomp,
    debug: config.enableDebug,
    entropySource: config.entropySource,
    freePageReporting: config.reclaimGuestFreedMemory,
    memPrealloc: config.enableMemPrealloc,
    hugepages: config.enableHugepages,
    logLevel: config.hypervisorLoglevel,
    diskLimits: diskLimits(config),
    netLimits: {
      bitsPerSecond: config.netRateLimiterBwMaxRate,
      burstBits: config.netRateLimiterBwOneTimeBurst,
      operationsPerSecond: config.netRateLimiterOpsMaxRate,
      burstOperations: config.netRateLimiterOpsOneTimeBurst,
    },
  });
}

function diskLimits(config: HypervisorConfig): RateLimits {
  return {
    bitsPerSecond: config.diskRateLimiterBwMaxRate,
    burstBits: config.diskRateLimiterBwOneTimeBurst,
    operationsPerSecond: config.diskRateLimiterOpsMaxRate,
    burstOperations: config.diskRateLimiterOpsOneTimeBurst,
  };
}

function remote(config: HypervisorConfig): Hypervisor {
  return new RemoteDriver({
    socket: config.hypervisorSocket,
    timeoutMs: config.hypervisorTimeout * 1000,
    debug: config.enableDebug,
  });
}

function firecracker(config: HypervisorConfig): Hypervisor {
  return new FirecrackerDriver({
    path: config.path,
    jailer: config.jailerPath,
    seccomp: !config.disableSeccomp,
    debug: config.enableDebug,
    freePageReporting: config.reclaimGuestFreedMemory,
    hugepages: config.enableHugepages,
    rxMaxRate: config.rxRateLimiterMaxRate,
    txMaxRate: config.txRateLimiterMaxRate,
    diskLimits: diskLimits(config),
  });
}
