/** Counters of the guest's interfaces. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NetworkStatsSchema } from "../../common/protocol/gen/kata/agent_pb.ts";

type NetworkStats = MessageInitShape<typeof NetworkStatsSchema>;

/** All interfaces but the loopback: the guest's network is the pod's. */
export async function readNetworkStats(): Promise<NetworkStats[]> {
  return parseNetDev(await Deno.readTextFile("/proc/net/dev")).filter(({ name }) => name !== "lo");
}

/** Source: proc(5), /proc/net/dev: eight counters received, eight sent. */
export function parseNetDev(text: string): NetworkStats[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(\S+):\s*((?:\d+\s*){16})$/.exec(line);
    if (!match?.[1] || !match[2]) return [];
    const values = match[2].trim().split(/\s+/).map(BigInt);
    const at = (index: number): bigint => values[index] ?? 0n;
    return [{
      name: match[1],
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    }];
  });
}
