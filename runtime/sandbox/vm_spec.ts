import type { RuntimeConfig } from "../config/load.ts";
import type { Device } from "../hypervisor/device.ts";
import type { VmSpec } from "../hypervisor/hypervisor.ts";
import type { BundleConfig } from "./bundle.ts";
import type { SandboxIdentity } from "./identity.ts";
import { hostSize, vmSize, workloadOfPod } from "./vm_size.ts";

/** What the sandbox has prepared for its VM. */
export interface VmParts {
  readonly devices: readonly Device[];
  readonly netnsPath: string | undefined;
  /** Whether the VMM can give a running VM more. */
  readonly resizable: boolean;
}

/** The VM that a sandbox needs, from configuration, the first container's bundle, and what it is to have. */
export function vmSpecOf(
  { key }: SandboxIdentity,
  { hypervisor, agent, runtime }: RuntimeConfig,
  bundle: BundleConfig,
  stateDir: string,
  { devices, netnsPath, resizable }: VmParts,
): VmSpec {
  const size = vmSize(hypervisor, workloadOfPod(bundle), hostSize());
  const { vcpus, memoryMiB } = size;
  const grows = resizable && !runtime.staticSandboxResourceMgmt;
  const kernelParams = hypervisor.kernelParams.split(" ").filter((word) => word !== "");
  if (agent.enableDebug) kernelParams.push("agent.log=debug");
  if (agent.containerPipeSize > 0) {
    kernelParams.push(`agent.container_pipe_size=${agent.containerPipeSize}`);
  }
  if (agent.debugConsoleEnabled) kernelParams.push("agent.debug_console");
  return {
    id: key,
    stateDir,
    kernel: hypervisor.kernel,
    ...(hypervisor.initrd ? { initrd: hypervisor.initrd } : {}),
    ...(hypervisor.image ? { image: hypervisor.image } : {}),
    kernelParams,
    vcpus,
    maxVcpus: grows ? size.maxVcpus : vcpus,
    memoryMiB,
    maxMemoryMiB: grows && hypervisor.memorySlots > 0 ? size.maxMemoryMiB : memoryMiB,
    memorySlots: hypervisor.memorySlots,
    devices,
    ...(netnsPath === undefined ? {} : { netnsPath }),
  };
}
