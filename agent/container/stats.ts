/** What a container uses, from its cgroup's files. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CgroupStatsSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import { parseIoStat, parseKeyed, parseSingle } from "./cgroup_files.ts";

type CgroupStats = MessageInitShape<typeof CgroupStatsSchema>;
const NS_PER_US = 1000n;

/** Reads what the kernel has; a controller that is off counts as 0. Takes no lock. */
export async function readStats(cgroup: string): Promise<CgroupStats> {
  const read = (file: string): Promise<string> => readOrEmpty(`${cgroup}/${file}`);
  const [cpu, memory, pids, io, hugetlb] = await Promise.all([
    read("cpu.stat"),
    readMemory(read),
    Promise.all([read("pids.current"), read("pids.max")]),
    read("io.stat"),
    readHugetlb(cgroup, read),
  ]);
  return {
    cpuStats: cpuStats(cpu),
    memoryStats: memory,
    pidsStats: { current: parseSingle(pids[0]), limit: limitOf(pids[1]) },
    blkioStats: ioStats(io),
    hugetlbStats: hugetlb,
  };
}

/** Kata reports "no limit" of processes as 0. */
function limitOf(text: string): bigint {
  return text.trim() === "max" ? 0n : parseSingle(text);
}

export function cpuStats(text: string): CgroupStats["cpuStats"] {
  const stat = parseKeyed(text);
  const microseconds = (key: string): bigint => (stat.get(key) ?? 0n) * NS_PER_US;
  return {
    cpuUsage: {
      totalUsage: microseconds("usage_usec"),
      usageInKernelmode: microseconds("system_usec"),
      usageInUsermode: microseconds("user_usec"),
    },
    throttlingData: {
      periods: stat.get("nr_periods") ?? 0n,
      throttledPeriods: stat.get("nr_throttled") ?? 0n,
      throttledTime: microseconds("throttled_usec"),
    },
  };
}

async function readMemory(
  read: (file: string) => Promise<string>,
): Promise<CgroupStats["memoryStats"]> {
  const [current, peak, max, swap, swapMax, stat, events] = await Promise.all(
    [
      "memory.current",
      "memory.peak",
      "memory.max",
      "memory.swap.current",
      "memory.swap.max",
      "memory.stat",
      "memory.events",
    ].map(read),
  );
  const stats = parseKeyed(stat ?? "");
  const happened = parseKeyed(events ?? "");
  const number = (text: string | undefined): bigint => parseSingle(text ?? "");
  return {
    cache: stats.get("file") ?? 0n,
    usage: {
      usage: number(current),
      maxUsage: number(peak),
      limit: number(max),
      failcnt: happened.get("max") ?? 0n,
    },
    swapUsage: { usage: number(swap), limit: number(swapMax) },
    kernelUsage: { usage: stats.get("kernel") ?? 0n },
    useHierarchy: true,
    stats: { ...Object.fromEntries(stats), ...eventFigures(happened) },
  };
}

/** The protocol has no field for memory.events: they come beside memory.stat's figures, as `events.oom_kill`. */
function eventFigures(events: ReadonlyMap<string, bigint>): Record<string, bigint> {
  return Object.fromEntries([...events].map(([name, count]) => [`events.${name}`, count]));
}

/** Kata's operations are those of cgroup v1: Read, Write, Discard. */
export function ioStats(text: string): CgroupStats["blkioStats"] {
  const devices = parseIoStat(text);
  const entries = (
    keys: Record<string, string>,
  ): { major: bigint; minor: bigint; op: string; value: bigint }[] =>
    devices.flatMap(({ major, minor, values }) =>
      Object.entries(keys).map(([key, op]) => ({ major, minor, op, value: values.get(key) ?? 0n }))
    );
  return {
    ioServiceBytesRecursive: entries({ rbytes: "Read", wbytes: "Write", dbytes: "Discard" }),
    ioServicedRecursive: entries({ rios: "Read", wios: "Write", dios: "Discard" }),
  };
}

async function readHugetlb(
  cgroup: string,
  read: (file: string) => Promise<string>,
): Promise<NonNullable<CgroupStats["hugetlbStats"]>> {
  const sizes: string[] = [];
  for await (const { name } of Deno.readDir(cgroup)) {
    const size = /^hugetlb\.(\w+)\.current$/.exec(name)?.[1];
    if (size) sizes.push(size);
  }
  const entries = await Promise.all(sizes.map(async (size) => {
    const usage = parseSingle(await read(`hugetlb.${size}.current`));
    const events = parseKeyed(await read(`hugetlb.${size}.events`));
    return [size, { usage, failcnt: events.get("max") ?? 0n }] as const;
  }));
  return Object.fromEntries(entries);
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
