import type { RuntimeConfig } from "../config/load.ts";
import { createHypervisor } from "../hypervisor/drivers.ts";
import type { VmSpec } from "../hypervisor/hypervisor.ts";
import { CopiedFiles } from "../share_fs/copied_files.ts";
import { createShareFs } from "../share_fs/drivers.ts";
import { vmSpecOf } from "./vm_spec.ts";

/** A pod that asks for nothing. */
export const NO_WORKLOAD = {
  annotations: {},
  json: {},
  rootPath: "",
  rootReadonly: false,
  hostname: "",
  terminal: false,
} as const;

/** The VM of a pod that asks for nothing beyond the configuration: what a template is made for. */
export function templateSpec(config: RuntimeConfig): VmSpec {
  const identity = { key: "template", id: "template", namespace: "" };
  const copies = new CopiedFiles(() => Promise.reject(new TypeError("A template has no guest")));
  const share = createShareFs({ config, sandboxKey: identity.key, folder: "", copies });
  const { resize: resizable } = createHypervisor(config.hypervisor).capabilities;
  const parts = { devices: share.devices, netnsPath: undefined, resizable };
  return vmSpecOf(identity, config, NO_WORKLOAD, "", parts);
}
