import type { HypervisorConfig } from "./config.ts";

/** A way to show files, `auto` decided. */
export type SharedFs = Exclude<HypervisorConfig["sharedFs"], "auto">;

/**
 * The share that is meant: `auto` is virtio-9p with QEMU, which needs no helper and works in clones, or virtio-fs where
 * QEMU may not read the files itself; virtio-fs with Cloud Hypervisor, and none with Firecracker and
 * remote hypervisors, which have no other.
 */
export function sharedFsOf(
  { name, sharedFs, rootless }: Pick<HypervisorConfig, "name" | "sharedFs" | "rootless">,
): SharedFs {
  if (sharedFs !== "auto") return sharedFs;
  if (name === "firecracker" || name === "remote") return "none";
  return name === "clh" || rootless ? "virtio-fs" : "virtio-9p";
}
