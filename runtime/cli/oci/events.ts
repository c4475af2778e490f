import { fromBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { MetricsSchema as MetricsV1Schema } from "../../../common/protocol/gen/containerd/cgroups_v1_pb.ts";
import { MetricsSchema as MetricsV2Schema } from "../../../common/protocol/gen/containerd/cgroups_v2_pb.ts";
import type { PodClient } from "../../pod_daemon/client.ts";
import { findContainer, idOf } from "./find.ts";
import { parseFlags, wordOf } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";
import { podOf } from "./simple_verbs.ts";

/** Figures in the form of runc's `events`. Source: runc's types/events.go. */
interface Figures {
  readonly cpu: { readonly usage: { readonly total: number } };
  readonly memory: {
    readonly cache: number;
    readonly usage: { readonly usage: number; readonly limit: number };
  };
  readonly pids: { readonly current: number; readonly limit: number };
}

/** The longest interval, in seconds. */
const MAX_INTERVAL = 24 * 3600;

function figuresOf({ typeUrl, value }: Any): Figures {
  if (typeUrl.includes("v2")) {
    const { cpu, memory, pids } = fromBinary(MetricsV2Schema, value);
    return {
      cpu: { usage: { total: Number(cpu?.usageUsec ?? 0n) * 1000 } },
      memory: {
        cache: Number(memory?.file ?? 0n),
        usage: { usage: Number(memory?.usage ?? 0n), limit: Number(memory?.usageLimit ?? 0n) },
      },
      pids: { current: Number(pids?.current ?? 0n), limit: Number(pids?.limit ?? 0n) },
    };
  }
  const { cpu, memory, pids } = fromBinary(MetricsV1Schema, value);
  const { usage } = memory ?? {};
  return {
    cpu: { usage: { total: Number(cpu?.usage?.total ?? 0n) } },
    memory: {
      cache: Number(memory?.cache ?? 0n),
      usage: { usage: Number(usage?.usage ?? 0n), limit: Number(usage?.limit ?? 0n) },
    },
    pids: { current: Number(pids?.current ?? 0n), limit: Number(pids?.limit ?? 0n) },
  };
}

async function statsLine({ task }: PodClient, id: string): Promise<string> {
  const { stats } = await task.stats({ id });
  if (!stats) throw new OciError(`no figures of container ${id}`);
  return JSON.stringify({ type: "stats", id, data: figuresOf(stats) }) + "\n";
}

function intervalOf(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,6})(s|m|)$/.exec(text) ?? [];
  const seconds = Number(digits) * (unit === "m" ? 60 : 1);
  if (digits !== "" && seconds > 0 && seconds <= MAX_INTERVAL) return seconds * 1000;
  throw new OciError("duration interval must be greater than 0");
}

/** `events [--stats] [--interval 5s] ID`: what the container uses, once or again and again until it ends. */
export async function events(
  { root }: Globals,
  args: readonly string[],
  print: (text: string) => Promise<number>,
): Promise<number> {
  const parsed = parseFlags({
    "stats": { kind: "switch" },
    "interval": { kind: "word" },
  }, args);
  const state = findContainer(root, idOf(parsed.rest, "events"));
  const interval = intervalOf(wordOf(parsed, "interval") ?? "5s");
  if (state.status === "stopped") {
    throw new OciError(`container with id ${state.id} is not running`);
  }
  using pod = await podOf(root, state);
  if (parsed.switches.has("stats")) return await print(await statsLine(pod, state.id));
  const ended = pod.task.wait({ id: state.id }).then(() => true);
  for (;;) {
    const status = await print(await statsLine(pod, state.id));
    if (status !== 0) return status; // nobody reads any more
    const { promise: elapsed, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), interval);
    if (await Promise.race([elapsed, ended])) return clearTimeout(timer), 0;
  }
}
