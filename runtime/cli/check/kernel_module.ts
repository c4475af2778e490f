import type { Host } from "./host.ts";

/** Whether the running kernel's modules include one; names are written with either dash. */
function isThere(host: Host, module: string): boolean {
  const release = host.text("/proc/sys/kernel/osrelease")?.trim() ?? "";
  const list = host.text(`/lib/modules/${release}/modules.dep`) ?? "";
  const name = module.replaceAll(/[-_]/g, "[-_]");
  return new RegExp(`(^|/)${name}\\.ko(\\.\\w+)?:`, "m").test(list);
}

/** How to get what kernel modules bring: load them where they are, or take another kernel. */
export function moduleRemedy(host: Host, modules: readonly string[]): string {
  const missing = modules.filter((module) => !isThere(host, module));
  if (missing.length === 0) return `modprobe ${modules.join(" ")}`;
  return `boot a kernel with ${missing.join(" and ")}: this one has no such module`;
}
