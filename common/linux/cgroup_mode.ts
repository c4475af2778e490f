/** Whether the host has cgroup v2 alone: only there the root of all hierarchies has this file. Source: cgroup-v2.rst. */
export function hostIsUnified(root = "/sys/fs/cgroup"): boolean {
  try {
    return Deno.statSync(`${root}/cgroup.controllers`).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
