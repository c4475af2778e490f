import { ioUringAvailable } from "../../common/linux/io_uring.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { HypervisorConfig } from "../config/config.ts";
import { sharedFsOf } from "../config/shared_fs.ts";
import { CloudHypervisorDriver } from "./cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "./firecracker/driver.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { RateLimits } from "./rate_limiter.ts";
import { QemuDriver } from "./qemu/driver.ts";
import type { DiskOptions } from "./qemu/options.ts";
import { isMachineType } from "./qemu/machine.ts";

/**
 * The driver of the configured VMM: the one place that names drivers.
 * @throws {RuntimeError} Unimplemented: no driver for this VMM, or not for this machine. InvalidArgument: the VMM cannot do
 * what is asked for. Both name the key.
 */
export function createHypervisor(config: HypervisorConfig): Hypervisor {
  switch (config.name) {
    case "qemu":
      return qemu(config);
    case "clh":
      return possible(config, cloudHypervisor(config));
    case "firecracker":
      return possible(config, firecracker(config));
    default:
      throw new RuntimeError(
        Code.Unimplemented,
        `[hypervisor.${config.name}]: there is no driver for this VMM`,
      );
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
  if (!isMachineType(machineType)) {
    throw new RuntimeError(
      Code.Unimplemented,
      `machine_type = "${machineType}": the QEMU driver cannot do it`,
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
    virtioMem: config.enableVirtioMem,
    rootless: config.rootless,
  });
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
