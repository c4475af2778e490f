import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { signalNumber } from "../../../common/linux/signals.ts";
import { connectPod, type PodClient } from "../../pod_daemon/client.ts";
import type { ContainerState } from "../../pod_daemon/container_state.ts";
import { findContainer, idOf } from "./find.ts";
import { parseFlags } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";

/** The daemon of a container's pod. @throws {OciError} It was killed, and the container with it. */
export async function podOf(root: string, { sandboxId }: ContainerState): Promise<PodClient> {
  const pod = await connectPod(root, sandboxId);
  if (pod) return pod;
  throw new OciError("container not running: the daemon of its pod has ended");
}

/** `start ID` */
export async function start({ root }: Globals, args: readonly string[]): Promise<string> {
  const state = findContainer(root, idOf(parseFlags({}, args).rest, "start"));
  if (state.status === "stopped") throw new OciError("cannot start a container that has stopped");
  if (state.status === "paused") {
    throw new OciError("cannot start a container in the paused state");
  }
  if (state.status !== "created") throw new OciError("cannot start an already running container");
  using pod = await podOf(root, state);
  await pod.task.start({ id: state.id });
  return "";
}

/** The highest number of a signal. Source: Linux's _NSIG. */
const MAX_SIGNAL = 64;

/** A signal as the command line writes it. @throws {OciError} */
function parseSignal(text: string): number {
  if (text === "0") return 0;
  if (/^\d+$/.test(text) && Number(text) > MAX_SIGNAL) {
    throw new OciError("unable to signal init: invalid argument");
  }
  try {
    return signalNumber(text);
  } catch {
    throw new OciError(`unknown signal "${text}"`);
  }
}

/** `kill [--all] ID [SIGNAL]` */
export async function kill({ root }: Globals, args: readonly string[]): Promise<string> {
  const { switches, rest } = parseFlags({ all: { kind: "switch", short: "a" } }, args);
  const id = idOf(rest, "kill", { min: 1, max: 2 });
  const state = findContainer(root, id);
  const signal = parseSignal(rest[1] ?? "SIGTERM"), all = switches.has("all");
  if (state.status === "stopped") {
    if (all) return ""; // nobody is left, which is all that was asked
    throw new OciError("container not running");
  }
  using pod = await podOf(root, state);
  try {
    await pod.task.kill({ id, signal, all });
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === Code.NotFound)) throw error;
    throw new OciError("container not running");
  }
  return "";
}

/** `pause ID` */
export async function pause({ root }: Globals, args: readonly string[]): Promise<string> {
  const state = findContainer(root, idOf(parseFlags({}, args).rest, "pause"));
  if (state.status !== "running") throw new OciError("container not running");
  using pod = await podOf(root, state);
  await pod.task.pause({ id: state.id });
  return "";
}

/** `resume ID` */
export async function resume({ root }: Globals, args: readonly string[]): Promise<string> {
  const state = findContainer(root, idOf(parseFlags({}, args).rest, "resume"));
  if (state.status !== "paused") throw new OciError("container not paused");
  using pod = await podOf(root, state);
  await pod.task.resume({ id: state.id });
  return "";
}

/** `ps [--format table|json] ID [OPTIONS OF PS]`: the processes on the host that stand for the container's. */
export async function ps({ root }: Globals, args: readonly string[]): Promise<string> {
  const parsed = parseFlags({ format: { kind: "word", short: "f" } }, args);
  const state = findContainer(root, idOf(parsed.rest, "ps", { min: 1, max: Infinity }));
  const { printProcesses } = await import("./ps.ts");
  using pod = state.status === "stopped" ? undefined : await podOf(root, state);
  const processes = pod ? (await pod.task.pids({ id: state.id })).processes : [];
  return await printProcesses(
    processes.map(({ pid }) => pid),
    parsed.words.get("format")?.[0] ?? "table",
    parsed.rest.slice(1),
  );
}
