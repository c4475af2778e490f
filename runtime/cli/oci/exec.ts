import { messageOf } from "../../../common/base/errors.ts";
import { signalNumber } from "../../../common/linux/signals.ts";
import type { PodClient } from "../../pod_daemon/client.ts";
import type { ContainerState } from "../../pod_daemon/container_state.ts";
import type { JsonObject } from "../../sandbox/bundle.ts";
import { checkConsole } from "./create.ts";
import { EXEC_FLAGS, execProcess } from "./exec_process.ts";
import { checkCount, checkedId, findContainer } from "./find.ts";
import { type Parsed, parseFlags, wordOf } from "./flags.ts";
import { forwardSignals, showTerminal } from "./foreground.ts";
import type { Globals } from "./globals.ts";
import { attachProcess, writePidFile } from "./new_process.ts";
import { OciError } from "./oci_error.ts";
import { podOf } from "./simple_verbs.ts";
import { newTerminal, ownStreams, sendConsole, type Streams } from "./streams.ts";

/** How engines send the process. Source: containerd's typeurl of the runtime specification. */
const PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process";

/** What `exec` fails with, as runc does. */
export const EXEC_FAILED = 255;

function checkStatus({ status }: ContainerState, parsed: Parsed): void {
  if (status === "stopped") throw new OciError("cannot exec in a stopped container", EXEC_FAILED);
  if (status === "created") {
    throw new OciError("cannot exec in a container that is not running", EXEC_FAILED);
  }
  if (status === "paused" && !parsed.switches.has("ignore-paused")) {
    throw new OciError(
      "cannot exec in a paused container (use --ignore-paused to override)",
      EXEC_FAILED,
    );
  }
}

/** Makes the process, to be started. @returns Its relay's pid. */
async function prepareExec(
  pod: PodClient,
  state: ContainerState,
  execId: string,
  process: JsonObject,
  streams: Streams,
): Promise<number> {
  const { id, pid: join } = state;
  const argv = Array.isArray(process.args) ? process.args.map(String) : [];
  const key = { containerId: id, execId };
  const netns = `/proc/${join}/ns/net`;
  const pid = await attachProcess(pod.attachSocket, key, { argv, join, netns }, streams);
  const spec = {
    typeUrl: PROCESS_TYPE,
    value: new TextEncoder().encode(JSON.stringify(process)),
  };
  await pod.task.exec({ id, execId, terminal: process.terminal === true, spec });
  return pid;
}

/** Starts an exec that has our streams, and waits for its end. @returns Its status. */
async function follow(pod: PodClient, key: { id: string; execId: string }): Promise<number> {
  const ended = pod.task.wait(key); // before the start: the daemon forgets an exec at its end
  ended.catch(() => {}); // of no interest if it does not start
  await pod.task.start(key);
  using _signals = forwardSignals((signal) => {
    pod.task.kill({ ...key, signal: signalNumber(signal) }).catch(() => {}); // it has ended meanwhile
  });
  return (await ended).exitStatus;
}

/** What goes wrong is told as runc tells it, with a status that no program of the container's usually has. */
async function asExecFailure(work: Promise<number>): Promise<number> {
  try {
    return await work;
  } catch (error) {
    throw new OciError(`exec failed: ${messageOf(error)}`, EXEC_FAILED);
  }
}

/**
 * `exec ID COMMAND` or `exec --process FILE ID`.
 * @returns The process's status; 0 when it is detached.
 */
export async function exec(globals: Globals, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(EXEC_FLAGS, args);
  checkCount(parsed.rest, "exec", { min: 1, max: Infinity });
  return await asExecFailure(execIn(globals, parsed));
}

async function execIn({ root }: Globals, parsed: Parsed): Promise<number> {
  const [first = "", ...command] = parsed.rest;
  const state = findContainer(root, checkedId(first));
  checkStatus(state, parsed);
  const process = await execProcess(parsed, state.bundle, command);
  const detached = parsed.switches.has("detach"), terminal = process.terminal === true;
  const consoleSocket = wordOf(parsed, "console-socket");
  checkConsole(terminal, detached, consoleSocket);
  using pod = await podOf(root, state);
  using streams = terminal ? newTerminal() : ownStreams();
  const key = { id: state.id, execId: `exec-${crypto.randomUUID().slice(0, 18)}` };
  if (consoleSocket && streams.master) sendConsole(consoleSocket, streams.master.fd);
  const pidFile = wordOf(parsed, "pid-file");
  if (detached) {
    const pid = await prepareExec(pod, state, key.execId, process, streams);
    await pod.task.start(key);
    if (pidFile) writePidFile(pidFile, pid);
    return 0;
  }
  await using _shown = showTerminal(streams);
  const pid = await prepareExec(pod, state, key.execId, process, streams);
  if (pidFile) writePidFile(pidFile, pid);
  return await follow(pod, key);
}
