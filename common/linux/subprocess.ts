import { Code, RuntimeError } from "../base/errors.ts";
import { withDeadline } from "../base/deadline.ts";
import { close, pipe } from "./fd.ts";
import { FdStream } from "./fd_stream.ts";
import { kill } from "./process.ts";
import { exitCodeOf, reaper } from "./reaper.ts";
import { spawn } from "./spawn.ts";
import { isErrno } from "./syscall_error.ts";

const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;
/** How long output may still come after the program's end, from children it left behind. */
const DRAIN_MS = 500;
/** How long a killed program may take to be gone. */
const KILL_MS = 1000;

export interface RunOptions {
  /** The program where `argv[0]` is another name for it. */
  readonly program?: string;
  /** What the program reads; omitted: nothing. */
  readonly stdin?: Uint8Array;
  /** The whole environment; omitted: ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  /** Bound on stdout and on stderr, each. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** Exit code, or 128 + signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a short-lived program to its end and collects what it says.
 *
 * Any failure kills its whole process group, children it left behind included.
 * @throws {SyscallError} The program cannot be started.
 * @throws {RuntimeError} DeadlineExceeded, ResourceExhausted (too much output), or Canceled by `signal`.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  using child = start(argv, options);
  const { promise: failure, reject: fail } = Promise.withResolvers<never>();
  const timer = setTimeout(() => fail(tooLate(argv, options.timeoutMs)), options.timeoutMs);
  const abort = () => fail(new RuntimeError(Code.Canceled, `${argv[0]} was cancelled`));
  options.signal?.addEventListener("abort", abort);
  if (options.signal?.aborted) abort();
  try {
    return await Promise.race([converse(child, argv, options), failure]);
  } catch (error) {
    await destroy(child.pid);
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  }
}

interface Child extends Disposable {
  readonly pid: number;
  readonly stdin: FdStream | undefined;
  readonly stdout: FdStream;
  readonly stderr: FdStream;
}

function start(argv: readonly string[], options: RunOptions): Child {
  using ends = new DisposableStack();
  using childEnds = new DisposableStack();
  const read = (): [FdStream, number] => {
    const [ours, theirs] = pipe();
    childEnds.defer(() => close(theirs));
    return [ends.use(new FdStream(ours)), theirs];
  };
  const write = (): [FdStream, number] => {
    const [theirs, ours] = pipe();
    childEnds.defer(() => close(theirs));
    return [ends.use(new FdStream(ours)), theirs];
  };
  const stdin = options.stdin && write();
  const [stdout, childStdout] = read();
  const [stderr, childStderr] = read();
  const { env, cwd, program } = options;
  const pid = spawn({
    argv,
    ...(program !== undefined && { program }),
    ...(env && { env }),
    ...(cwd !== undefined && { cwd }),
    fds: { ...(stdin && { 0: stdin[1] }), 1: childStdout, 2: childStderr },
    processGroup: true,
  });
  const owned = ends.move();
  return { pid, stdin: stdin?.[0], stdout, stderr, [Symbol.dispose]: () => owned.dispose() };
}

async function converse(
  child: Child,
  argv: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const output = Promise.all([
    collect(child.stdout, limit, `stdout of ${argv[0]}`),
    collect(child.stderr, limit, `stderr of ${argv[0]}`),
    feed(child.stdin, options.stdin),
  ]);
  const exited = reaper().exit(child.pid);
  // Whichever fails first ends the conversation; output usually ends first.
  await Promise.race([exited, output.then(() => exited)]);
  const status = await exited;
  const timer = setTimeout(() => closeAll(child), DRAIN_MS);
  try {
    const [stdout, stderr] = await output;
    return { code: exitCodeOf(status), stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Ends pending reads as if the pipes had ended. */
function closeAll(child: Child): void {
  child[Symbol.dispose]();
}

async function collect(from: FdStream, limit: number, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let total = 0;
  const buffer = new Uint8Array(Math.min(limit + 1, 65536));
  for (let count; (count = await from.read(buffer)) !== null;) {
    total += count;
    if (total > limit) {
      throw new RuntimeError(Code.ResourceExhausted, `${what} exceeds ${limit} bytes`);
    }
    parts.push(buffer.slice(0, count));
  }
  return new TextDecoder().decode(concatenate(parts, total));
}

function concatenate(parts: readonly Uint8Array[], total: number): Uint8Array {
  const whole = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

async function feed(to: FdStream | undefined, bytes: Uint8Array | undefined): Promise<void> {
  if (!to || !bytes) return;
  try {
    await to.write(bytes);
  } catch (error) {
    if (!isErrno(error, "EPIPE", "EBADF")) throw error; // a program need not read all of its input
  } finally {
    to.close();
  }
}

function tooLate(argv: readonly string[], timeoutMs: number): RuntimeError {
  return new RuntimeError(Code.DeadlineExceeded, `${argv[0]} took longer than ${timeoutMs} ms`);
}

/** Kills the group and waits for its leader, but not for ever: one stuck in the kernel cannot be killed. */
async function destroy(pid: number): Promise<void> {
  try {
    kill(-pid, "SIGKILL");
    await withDeadline(reaper().exit(pid), KILL_MS, `The end of process ${pid}`);
  } catch (error) {
    const gone = isErrno(error, "ESRCH", "ECHILD");
    if (!gone && !(error instanceof RuntimeError)) throw error; // the first failure says more than the deadline
  }
}
