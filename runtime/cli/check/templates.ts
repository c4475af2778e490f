import { messageOf } from "../../../common/base/errors.ts";
import type { RuntimeConfig } from "../../config/load.ts";
import { whyNotCloned } from "../../factory/start_vm.ts";
import { createHypervisor } from "../../hypervisor/drivers.ts";
import { templateSpec } from "../../sandbox/template_spec.ts";
import { type Finding, lacking, pass } from "./finding.ts";

/** Whether VMs start as clones of a template with this configuration, and why not. */
export function checkTemplates(config: RuntimeConfig): Finding {
  const name = "VM templates";
  try {
    const hypervisor = createHypervisor(config.hypervisor);
    const spec = templateSpec(config);
    const why = whyNotCloned(config, hypervisor, { spec, base: spec });
    if (why === undefined) return pass(name, `on, in ${config.factory.templatePath}`);
    return lacking(name, why, {
      verdict: "degraded",
      meaning: "each pod's VM boots",
      remedy: "see enable_template in config.toml; nothing needs to be done",
    });
  } catch (error) {
    return lacking(name, messageOf(error), {
      verdict: "degraded",
      meaning: "each pod's VM boots, if it can",
      remedy: "correct what the message names",
    });
  }
}
