/** The kernel's small text formats. Source: Documentation/admin-guide/cgroup-v2.rst, "Format". */

/** Flat keyed, `key value` a line. Lines of another form are skipped. */
export function parseKeyed(text: string): Map<string, bigint> {
  const entries = new Map<string, bigint>();
  for (const line of text.split("\n")) {
    const match = /^(\S+) (\d+)$/.exec(line);
    if (match?.[1] && match[2]) entries.set(match[1], BigInt(match[2]));
  }
  return entries;
}

/** One number, or "max" for no limit, which reads as 2^64-1. Anything else is 0. */
export function parseSingle(text: string): bigint {
  const value = text.trim();
  if (value === "max") return 0xffff_ffff_ffff_ffffn;
  return /^\d+$/.test(value) ? BigInt(value) : 0n;
}

export interface DeviceStats {
  readonly major: bigint;
  readonly minor: bigint;
  readonly values: Map<string, bigint>;
}

/** Nested keyed by device, `8:0 rbytes=1 wbytes=2` a line. */
export function parseIoStat(text: string): DeviceStats[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+)((?: \w+=\d+)+)$/.exec(line.trimEnd());
    if (!match?.[1] || !match[2] || !match[3]) return [];
    const pairs = [...match[3].matchAll(/(\w+)=(\d+)/g)];
    const values = new Map(pairs.map((pair) => [pair[1] ?? "", BigInt(pair[2] ?? "0")]));
    return [{ major: BigInt(match[1]), minor: BigInt(match[2]), values }];
  });
}
