import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { withDeadline } from "../../../common/base/deadline.ts";
import { log } from "../../../common/base/log.ts";
import { close, pipe } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { kill, SIGNALS } from "../../../common/linux/process.ts";
import { reaper } from "../../../common/linux/reaper.ts";
import { spawn } from "../../../common/linux/spawn.ts";
import { isErrno } from "../../../common/linux/syscall_error.ts";

/** The logger's descriptors. Source: containerd core/runtime/v2/logging. */
const STDOUT_FD = 3, STDERR_FD = 4, READY_FD = 5;

/** Longest time for the logger to be ready, in milliseconds. Source: containerd's shim, pkg/process/io.go. */
const READY_MS = 10_000;

/** How long it may take over what its pipes still hold before it is asked to end, in milliseconds. */
const GRACE_MS = 1_000;

/** Longest time that it may take to end once asked. Source: the same, binaryIOProcTermTimeout. */
const TERM_MS = 12_000;

/** The container whose output is logged. */
export interface LoggedContainer {
  readonly id: string;
  readonly namespace: string;
}

/** A program of the engine's that takes a process's output. */
export interface BinaryLogger {
  readonly stdout: FdStream;
  readonly stderr: FdStream;
  /** Asks it to end, after its last byte, and sees to it. Repeating is harmless. */
  end(): Promise<void>;
}

async function endProcess(pid: number): Promise<void> {
  const gone = reaper().exit(pid);
  if (await isSettled(gone, GRACE_MS)) return;
  try {
    kill(pid, SIGNALS.SIGTERM);
    await withDeadline(gone, TERM_MS, `The end of log program ${pid}`);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return;
    log.warn("Kills a log program", { reason: messageOf(error) });
    kill(pid, SIGNALS.SIGKILL);
    await gone;
  }
}

async function isSettled(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), withinMs);
  const settled = await Promise.race([promise.then(() => true as const), late.promise]);
  clearTimeout(timer);
  return settled;
}

/** The logger closes its descriptor 5, or dies, when it is ready. */
async function waitUntilReady(ready: FdStream, path: string): Promise<void> {
  await withDeadline(ready.read(new Uint8Array(1)), READY_MS, `The start of log program "${path}"`);
}

function startProgram(
  argv: readonly string[],
  { id, namespace }: LoggedContainer,
): { pid: number; stdout: FdStream; stderr: FdStream; ready: FdStream } {
  const pipes = [pipe(), pipe(), pipe()];
  const [[outRead, outWrite], [errRead, errWrite], [readyRead, readyWrite]] = pipes as [
    [number, number],
    [number, number],
    [number, number],
  ];
  using theirs = new DisposableStack();
  for (const fd of [outRead, errRead, readyWrite]) theirs.defer(() => close(fd));
  using undo = new DisposableStack();
  const stdout = undo.use(new FdStream(outWrite));
  const stderr = undo.use(new FdStream(errWrite));
  const ready = undo.use(new FdStream(readyRead));
  const pid = spawn({
    argv,
    env: { CONTAINER_ID: id, CONTAINER_NAMESPACE: namespace },
    fds: { [STDOUT_FD]: outRead, [STDERR_FD]: errRead, [READY_FD]: readyWrite },
  });
  undo.move();
  return { pid, stdout, stderr, ready };
}

/**
 * Starts a logger and waits until it is ready.
 * @throws {RuntimeError} It cannot be started, or takes too long; nothing is left of it then.
 */
export async function startBinaryLogger(
  path: string,
  args: readonly string[],
  container: LoggedContainer,
): Promise<BinaryLogger> {
  let program: ReturnType<typeof startProgram>;
  try {
    program = startProgram([path, ...args], container);
  } catch (cause) {
    throw new RuntimeError(
      Code.Unknown,
      `Cannot start log program "${path}": ${messageOf(cause)}`,
    );
  }
  const { pid, stdout, stderr, ready } = program;
  let ended: Promise<void> | undefined;
  const logger: BinaryLogger = {
    stdout,
    stderr,
    end: () => {
      stdout.close();
      stderr.close();
      return ended ??= endProcess(pid);
    },
  };
  try {
    await waitUntilReady(ready, path);
    return logger;
  } catch (error) {
    await logger.end();
    throw error;
  } finally {
    ready.close();
  }
}
