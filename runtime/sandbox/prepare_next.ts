import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { RuntimeConfig } from "../config/load.ts";
import type { StartedVm } from "../factory/start_vm.ts";
import type { VmSpec } from "../hypervisor/hypervisor.ts";
import type { SandboxCgroup } from "./cgroup/sandbox_cgroup.ts";

/**
 * Lets a process that is not the pod's make what later starts profit from: a template, or a VM that stands ready.
 * Starts do without, so what goes wrong is only told.
 */
export async function prepareNext(
  config: RuntimeConfig,
  { wantsTemplate }: StartedVm,
  spec: VmSpec,
  cgroup: SandboxCgroup | undefined,
): Promise<void> {
  try {
    const verb = wantsTemplate
      ? await mayBuild(config, spec) ? "build" : undefined
      : config.factory.vmCacheNumber > 0
      ? "spare"
      : undefined;
    if (verb === undefined) return;
    const { spawnMaker } = await import("../factory/maker.ts");
    await spawnMaker(verb, config, async (pid) => await cgroup?.release(pid));
  } catch (error) {
    log.warn("Cannot have later starts prepared", { reason: messageOf(error) });
  }
}

/** A template of another size would not serve this pod's like. */
async function mayBuild(config: RuntimeConfig, { vcpus, memoryMiB }: VmSpec): Promise<boolean> {
  const { templateSpec } = await import("./template_spec.ts");
  const plain = templateSpec(config);
  return plain.vcpus === vcpus && plain.memoryMiB === memoryMiB;
}
