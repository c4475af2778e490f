import { assertEquals } from "@std/assert";
import { create, fromBinary } from "@bufbuild/protobuf";
import { MetricsSchema as MetricsV1Schema } from "../../common/protocol/gen/containerd/cgroups_v1_pb.ts";
import { MetricsSchema as MetricsV2Schema } from "../../common/protocol/gen/containerd/cgroups_v2_pb.ts";
import { StatsContainerResponseSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import { packStats } from "./task_stats.ts";

const STATS = create(StatsContainerResponseSchema, {
  cgroupStats: {
    cpuStats: {
      cpuUsage: {
        totalUsage: 5_000_000n,
        usageInKernelmode: 2_000_000n,
        usageInUsermode: 3_000_000n,
      },
    },
    memoryStats: {
      cache: 300n,
      usage: { usage: 1000n, maxUsage: 2000n, limit: 4096n },
      stats: { inactive_file: 200n, anon: 500n, pgmajfault: 7n, "events.oom_kill": 4n },
    },
    pidsStats: { current: 3n, limit: 50n },
    blkioStats: {
      ioServiceBytesRecursive: [
        { major: 8n, minor: 1n, op: "Read", value: 11n },
        { major: 8n, minor: 1n, op: "Write", value: 12n },
        { major: 8n, minor: 1n, op: "Discard", value: 13n },
      ],
      ioServicedRecursive: [{ major: 8n, minor: 1n, op: "Read", value: 1n }],
    },
  },
  networkStats: [{ name: "lo", rxBytes: 9n }, { name: "eth0", rxBytes: 10n, txBytes: 20n }],
});

Deno.test("packStats has what kubelet computes the working set from, in v1's fields", () => {
  const { typeUrl, value } = packStats(STATS, false);
  assertEquals(typeUrl, "io.containerd.cgroups.v1.Metrics");
  const metrics = fromBinary(MetricsV1Schema, value);
  const { memory, cpu, pids, network, blkio } = metrics;
  assertEquals(metrics.memoryOomControl?.oomKill, 4n);
  assertEquals([memory?.usage?.usage, memory?.usage?.limit, memory?.totalInactiveFile], [
    1000n,
    4096n,
    200n,
  ]);
  assertEquals([memory?.rss, memory?.totalPgMajFault], [500n, 7n]);
  assertEquals([cpu?.usage?.total, pids?.current, pids?.limit], [5_000_000n, 3n, 50n]);
  assertEquals(network.map(({ name, rxBytes, txBytes }) => [name, rxBytes, txBytes]), [
    ["eth0", 10n, 20n],
  ]);
  assertEquals(blkio?.ioServiceBytesRecursive.map(({ op, value }) => [op, value]), [
    ["Read", 11n],
    ["Write", 12n],
    ["Discard", 13n],
  ]);
});

Deno.test("packStats has the same in v2's fields and units", () => {
  const { typeUrl, value } = packStats(STATS, true);
  assertEquals(typeUrl, "io.containerd.cgroups.v2.Metrics");
  const { memory, memoryEvents, cpu, pids, io } = fromBinary(MetricsV2Schema, value);
  assertEquals(memoryEvents?.oomKill, 4n);
  assertEquals([memory?.usage, memory?.usageLimit, memory?.inactiveFile], [1000n, 4096n, 200n]);
  assertEquals([cpu?.usageUsec, cpu?.systemUsec, pids?.current], [5000n, 2000n, 3n]);
  const [device] = io?.usage ?? [];
  assertEquals([device?.major, device?.rbytes, device?.wbytes, device?.rios], [8n, 11n, 12n, 1n]);
});

Deno.test("packStats copes with a guest that tells nothing", () => {
  const empty = create(StatsContainerResponseSchema, {});
  assertEquals(packStats(empty, false).value.length, 0);
  assertEquals(packStats(empty, true).value.length, 0);
});
