/** Bits of capability sets. Source: linux/capability.h. */
const CAPABILITIES = { SYS_ADMIN: 21n, SYS_RESOURCE: 24n } as const;

/** Whether this program may use a capability. */
export function hasCapability(name: keyof typeof CAPABILITIES): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"));
  return match?.[1] !== undefined && (BigInt(`0x${match[1]}`) >> CAPABILITIES[name] & 1n) === 1n;
}

/** How many descriptors a program that we start may have open at most (its hard limit). */
export function openFilesLimit(): number {
  const line = /^Max open files\s+\S+\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
  return line?.[1] === undefined ? 1_000_000 : Number(line[1]); // "unlimited" has the kernel's own bound
}
