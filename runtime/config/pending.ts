import { VMM_NAMES, type VmmName } from "./schema/key.ts";

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
    ...[
      "overhead_vcpus",
      "overhead_memory",
    ],
    ...["indep_iothreads", "default_bridges"],
  ]),
  ...within("factory", [
    "vm_cache_number",
    "vm_cache_endpoint",
  ]),
  ...within("agent", [
    "enable_tracing",
    "protocol",
    "container_pipe_size",
  ]),
  ...within("runtime", [
    ...[
      "sandbox_bind_mounts",
    ],
    ...["enable_tracing", "jaeger_endpoint", "jaeger_user", "jaeger_password"],
  ]),
]);

/** Keys that only these VMMs' drivers give no effect. */
const PENDING_FOR: Readonly<Record<string, readonly VmmName[]>> = {
  "hypervisor.firmware": ["clh"],
  "hypervisor.rootless": ["clh", "firecracker"],
  "hypervisor.enable_mem_prealloc": ["firecracker"],
};

/** The VMMs with which a key has no effect; all when it is in {@linkcode PENDING}. */
export function vmmsWithout(id: string): readonly VmmName[] {
  return PENDING.has(id) ? VMM_NAMES : PENDING_FOR[id] ?? [];
}

function within(section: string, keys: readonly string[]): string[] {
  return keys.map((key) => `${section}.${key}`);
}
