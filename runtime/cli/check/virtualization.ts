import { messageOf } from "../../../common/base/errors.ts";
import type { RuntimeConfig } from "../../config/load.ts";
import { acceleratorOf } from "../../hypervisor/drivers.ts";
import { type Finding, lacking, pass } from "./finding.ts";
import type { Host } from "./host.ts";
import { moduleRemedy } from "./kernel_module.ts";

/** Longest time for the trial, in milliseconds: it gives up by itself before. */
const TRIAL_MS = 30_000;

const SLOW = "guests run by emulation, some twenty times slower";

/** Whether processors have what KVM needs; nothing is known of those of other makes. */
function processor(host: Host): Finding {
  const name = "virtualisation in the processor";
  const flags = /^flags\s*:(.*)$/m.exec(host.text("/proc/cpuinfo") ?? "")?.[1] ?? "";
  const found = ["vmx", "svm"].find((flag) => flags.split(" ").includes(flag));
  if (found) return pass(name, found);
  return lacking(name, "neither vmx nor svm", {
    verdict: "degraded",
    meaning: `${SLOW}, unless KVM works all the same (as below another hypervisor)`,
    remedy: "enable it in the firmware; in a cloud, take a machine with nested virtualisation",
  });
}

/** A device that opens has its module; then it is what is below this host that keeps guests from running. */
function kvmRemedy(host: Host): string {
  if (host.whyNot("/dev/kvm") === undefined) {
    return "have the hypervisor below allow guests in guests";
  }
  const amd = / svm /.test(host.text("/proc/cpuinfo") ?? "");
  return moduleRemedy(host, [amd ? "kvm_amd" : "kvm_intel"]);
}

/** Opening /dev/kvm proves nothing, so a guest is tried: one that does nothing but say that it ran. */
async function kvm(host: Host, config: RuntimeConfig): Promise<Finding> {
  const name = "KVM";
  const problem = host.whyNot("/dev/kvm");
  const lack = {
    verdict: "degraded",
    meaning: SLOW,
    remedy: `${kvmRemedy(host)}; or set accelerator = "tcg" to go without the trial`,
  } as const;
  if (problem !== undefined) return lacking(name, problem, lack);
  try {
    const accelerator = await acceleratorOf(config.hypervisor, AbortSignal.timeout(TRIAL_MS));
    if (accelerator === "kvm") return pass(name, "a trial guest ran");
    return lacking(name, "/dev/kvm opens, but a trial guest did not run", lack);
  } catch (error) {
    return lacking(name, `a trial guest cannot be started: ${messageOf(error)}`, lack);
  }
}

/** Whether guests run at the processor's speed. */
export async function checkVirtualization(host: Host, config: RuntimeConfig): Promise<Finding[]> {
  if (config.hypervisor.name !== "qemu") return [processor(host)];
  return [processor(host), await kvm(host, config)];
}
