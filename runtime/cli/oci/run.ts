import { signalNumber } from "../../../common/linux/signals.ts";
import { connectPod, type PodClient } from "../../pod_daemon/client.ts";
import { podRole } from "../../sandbox/pod.ts";
import {
  asFailureOf,
  CREATE_FLAGS,
  createContainer,
  type Creation,
  prepareCreation,
} from "./create.ts";
import { checkCount } from "./find.ts";
import { type Parsed, parseFlags } from "./flags.ts";
import { forwardSignals, showTerminal } from "./foreground.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";

const RUN_FLAGS = {
  ...CREATE_FLAGS,
  "detach": { kind: "switch", short: "d" },
  "keep": { kind: "switch" },
} as const;

async function podOfNew(root: string, { id, config }: Creation): Promise<PodClient> {
  const pod = await connectPod(root, podRole(id, config.annotations).sandboxId);
  if (pod) return pod;
  throw new OciError("container not running: the daemon of its pod has ended");
}

async function remove(pod: PodClient, id: string, keep: boolean): Promise<void> {
  if (keep) return;
  await pod.task.delete({ id });
  await pod.endIfEmpty();
}

async function follow({ task }: PodClient, id: string): Promise<number> {
  const ended = task.wait({ id });
  await task.start({ id });
  using _signals = forwardSignals((signal) => {
    task.kill({ id, signal: signalNumber(signal) }).catch(() => {}); // it has ended meanwhile
  });
  return (await ended).exitStatus;
}

/** Starts what was created, and follows it unless it is detached. */
async function runCreated(
  { root }: Globals,
  creation: Creation,
  { switches }: Parsed,
): Promise<number> {
  using pod = await podOfNew(root, creation);
  const { id, streams } = creation, keep = switches.has("keep");
  if (switches.has("detach")) {
    await pod.task.start({ id });
    return 0;
  }
  let status: number;
  {
    await using _shown = showTerminal(streams);
    try {
      status = await follow(pod, id);
    } catch (error) {
      await remove(pod, id, false);
      throw error;
    }
  }
  await remove(pod, id, keep);
  return status;
}

/**
 * `run ID`: creates and starts a container, waits for its end and deletes it; with `--detach` only the first two.
 * @returns The container's status; 0 when it is detached.
 */
export async function run(globals: Globals, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(RUN_FLAGS, args);
  checkCount(parsed.rest, "run", { min: 1, max: 1 });
  return await asFailureOf("run", async () => {
    const creation = await prepareCreation(parsed, parsed.switches.has("detach"));
    using _streams = creation.streams;
    await createContainer(globals, creation);
    return await runCreated(globals, creation, parsed);
  });
}
