import type { VmmName } from "./schema/key.ts";

/**
 * Keys that are read and checked but have no effect in this release: setting one is answered by a warning. The
 * change that gives a key its effect takes it out of this list.
 */
export const PENDING: ReadonlySet<string> = new Set([
  ...within("hypervisor", [
    ...[
      "rootfs_type",
      "vm_rootfs_driver",
      "disable_image_nvdimm",
    ],
  ]),
  ...within("agent", [
    "enable_tracing",
  ]),
  ...within("runtime", [
    ...["enable_tracing", "jaeger_endpoint", "jaeger_user", "jaeger_password"],
  ]),
]);

/** A key that some VMMs cannot give its effect, and why. */
interface Lacking {
  readonly vmms: readonly VmmName[];
  readonly reason: string;
}

const LACKING: Readonly<Record<string, Lacking>> = {
  "hypervisor.rootless": {
    vmms: ["clh", "firecracker"],
    reason: "this VMM cannot give up root once it has its files",
  },
  "hypervisor.firmware": { vmms: ["clh"], reason: "its kernel is started without any" },
  "hypervisor.enable_mem_prealloc": {
    vmms: ["firecracker"],
    reason: "Firecracker takes memory as the guest touches it",
  },
};

/** Why a key is refused with a VMM when it is set to anything but its default. */
export function whyRefused(id: string, vmm: VmmName): string | undefined {
  const lacking = LACKING[id];
  return lacking?.vmms.includes(vmm) ? lacking.reason : undefined;
}

function within(section: string, keys: readonly string[]): string[] {
  return keys.map((key) => `${section}.${key}`);
}
