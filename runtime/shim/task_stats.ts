import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { MetricsSchema as MetricsV1Schema } from "../../common/protocol/gen/containerd/cgroups_v1_pb.ts";
import { MetricsSchema as MetricsV2Schema } from "../../common/protocol/gen/containerd/cgroups_v2_pb.ts";
import type {
  BlkioStatsEntry,
  CgroupStats,
  NetworkStats,
  StatsContainerResponse,
} from "../../common/protocol/gen/kata/agent_pb.ts";
import { packAny } from "./any.ts";

const NS_PER_US = 1000n;

/** A figure of the guest's memory.stat, or `events.` and one of memory.events; what the guest leaves out is 0. */
type Figure = (name: string) => bigint;

function figures(stats: CgroupStats): Figure {
  const { stats: values = {} } = stats.memoryStats ?? {};
  return (name) => Object.hasOwn(values, name) ? values[name] ?? 0n : 0n;
}

function networks(list: readonly NetworkStats[]): Omit<NetworkStats, "$typeName" | "$unknown">[] {
  return list.filter(({ name }) => name !== "lo").map((
    { $typeName: _type, $unknown: _unknown, ...figures },
  ) => figures);
}

/** The same as cgroup v1 has it. The guest's kernel counts by v2: v1's sums of a tree are the figures themselves. */
function memoryV1(stats: CgroupStats): MetricsV1["memory"] {
  const { usage, swapUsage, kernelUsage, cache = 0n } = stats.memoryStats ?? {};
  const at = figures(stats);
  const own = {
    rss: at("anon"),
    mappedFile: at("file_mapped"),
    pgFault: at("pgfault"),
    pgMajFault: at("pgmajfault"),
    inactiveAnon: at("inactive_anon"),
    activeAnon: at("active_anon"),
    inactiveFile: at("inactive_file"),
    activeFile: at("active_file"),
    unevictable: at("unevictable"),
  };
  const entry = (data: typeof usage): { usage: bigint; max: bigint; limit: bigint } => ({
    usage: data?.usage ?? 0n,
    max: data?.maxUsage ?? 0n,
    limit: data?.limit ?? 0n,
  });
  return {
    cache,
    totalCache: cache,
    ...own,
    dirty: at("file_dirty"),
    writeback: at("file_writeback"),
    totalRss: own.rss,
    totalMappedFile: own.mappedFile,
    totalPgFault: own.pgFault,
    totalPgMajFault: own.pgMajFault,
    totalInactiveAnon: own.inactiveAnon,
    totalActiveAnon: own.activeAnon,
    totalInactiveFile: own.inactiveFile,
    totalActiveFile: own.activeFile,
    totalUnevictable: own.unevictable,
    hierarchicalMemoryLimit: usage?.limit ?? 0n,
    usage: { ...entry(usage), failcnt: usage?.failcnt ?? 0n },
    swap: entry(swapUsage),
    kernel: entry(kernelUsage),
  };
}

type MetricsV1 = NonNullable<Parameters<typeof create<typeof MetricsV1Schema>>[1]>;
type MetricsV2 = NonNullable<Parameters<typeof create<typeof MetricsV2Schema>>[1]>;

function entriesV1(
  list: readonly BlkioStatsEntry[],
): { major: bigint; minor: bigint; op: string; value: bigint }[] {
  return list.map(({ major, minor, op, value }) => ({ major, minor, op, value }));
}

/** In the form of a host with cgroup v1. */
export function metricsV1({ cgroupStats, networkStats }: StatsContainerResponse): MetricsV1 {
  const network = networks(networkStats);
  if (!cgroupStats) return { network };
  const { cpuUsage, throttlingData } = cgroupStats.cpuStats ?? {};
  const { pidsStats, blkioStats } = cgroupStats;
  return {
    network,
    pids: { current: pidsStats?.current ?? 0n, limit: pidsStats?.limit ?? 0n },
    cpu: {
      usage: {
        total: cpuUsage?.totalUsage ?? 0n,
        kernel: cpuUsage?.usageInKernelmode ?? 0n,
        user: cpuUsage?.usageInUsermode ?? 0n,
      },
      throttling: {
        periods: throttlingData?.periods ?? 0n,
        throttledPeriods: throttlingData?.throttledPeriods ?? 0n,
        throttledTime: throttlingData?.throttledTime ?? 0n,
      },
    },
    memory: memoryV1(cgroupStats),
    memoryOomControl: { oomKill: figures(cgroupStats)("events.oom_kill") },
    blkio: {
      ioServiceBytesRecursive: entriesV1(blkioStats?.ioServiceBytesRecursive ?? []),
      ioServicedRecursive: entriesV1(blkioStats?.ioServicedRecursive ?? []),
    },
    hugetlb: Object.entries(cgroupStats.hugetlbStats).map(([pagesize, huge]) => ({
      pagesize,
      usage: huge.usage,
      max: huge.maxUsage,
      failcnt: huge.failcnt,
    })),
  };
}

/** v1 lists operations one by one, v2 has one line for each device. */
function ioV2(stats: CgroupStats): NonNullable<MetricsV2["io"]> {
  const devices = new Map<string, Record<string, bigint>>();
  const add = (list: readonly BlkioStatsEntry[], names: Record<string, string>): void => {
    for (const { major, minor, op, value } of list) {
      const name = names[op];
      if (name === undefined) continue;
      const key = `${major}:${minor}`;
      const line = devices.get(key) ?? { major, minor };
      line[name] = value;
      devices.set(key, line);
    }
  };
  add(stats.blkioStats?.ioServiceBytesRecursive ?? [], { Read: "rbytes", Write: "wbytes" });
  add(stats.blkioStats?.ioServicedRecursive ?? [], { Read: "rios", Write: "wios" });
  return { usage: [...devices.values()] };
}

function memoryV2(stats: CgroupStats): NonNullable<MetricsV2["memory"]> {
  const { usage, swapUsage } = stats.memoryStats ?? {};
  const at = figures(stats);
  return {
    anon: at("anon"),
    file: at("file"),
    kernelStack: at("kernel_stack"),
    slab: at("slab"),
    sock: at("sock"),
    shmem: at("shmem"),
    fileMapped: at("file_mapped"),
    fileDirty: at("file_dirty"),
    fileWriteback: at("file_writeback"),
    inactiveAnon: at("inactive_anon"),
    activeAnon: at("active_anon"),
    inactiveFile: at("inactive_file"),
    activeFile: at("active_file"),
    unevictable: at("unevictable"),
    slabReclaimable: at("slab_reclaimable"),
    slabUnreclaimable: at("slab_unreclaimable"),
    pgfault: at("pgfault"),
    pgmajfault: at("pgmajfault"),
    usage: usage?.usage ?? 0n,
    usageLimit: usage?.limit ?? 0n,
    maxUsage: usage?.maxUsage ?? 0n,
    swapUsage: swapUsage?.usage ?? 0n,
    swapLimit: swapUsage?.limit ?? 0n,
  };
}

function memoryEvents(stats: CgroupStats): NonNullable<MetricsV2["memoryEvents"]> {
  const at = figures(stats);
  return {
    low: at("events.low"),
    high: at("events.high"),
    max: at("events.max"),
    oom: at("events.oom"),
    oomKill: at("events.oom_kill"),
    oomGroupKill: at("events.oom_group_kill"),
  };
}

/** In the form of a host with cgroup v2 alone. */
export function metricsV2({ cgroupStats, networkStats }: StatsContainerResponse): MetricsV2 {
  const network = networks(networkStats);
  if (!cgroupStats) return { network };
  const { cpuUsage, throttlingData } = cgroupStats.cpuStats ?? {};
  return {
    network,
    pids: {
      current: cgroupStats.pidsStats?.current ?? 0n,
      limit: cgroupStats.pidsStats?.limit ?? 0n,
    },
    cpu: {
      usageUsec: (cpuUsage?.totalUsage ?? 0n) / NS_PER_US,
      userUsec: (cpuUsage?.usageInUsermode ?? 0n) / NS_PER_US,
      systemUsec: (cpuUsage?.usageInKernelmode ?? 0n) / NS_PER_US,
      nrPeriods: throttlingData?.periods ?? 0n,
      nrThrottled: throttlingData?.throttledPeriods ?? 0n,
      throttledUsec: (throttlingData?.throttledTime ?? 0n) / NS_PER_US,
    },
    memory: memoryV2(cgroupStats),
    memoryEvents: memoryEvents(cgroupStats),
    io: ioV2(cgroupStats),
    hugetlb: Object.entries(cgroupStats.hugetlbStats).map(([pagesize, huge]) => ({
      pagesize,
      current: huge.usage,
      failcnt: huge.failcnt,
    })),
  };
}

/** The guest's figures in the type that the host's cgroup mode asks for: engines expect no other. */
export function packStats(stats: StatsContainerResponse, unified: boolean): Any {
  return unified
    ? packAny(MetricsV2Schema, create(MetricsV2Schema, metricsV2(stats)))
    : packAny(MetricsV1Schema, create(MetricsV1Schema, metricsV1(stats)));
}
