/** The standard streams of one process: pipes or a terminal, taken to the host by streams or by calls. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { listenConsole } from "../../common/linux/console_socket.ts";
import { pipe } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { setPipeSize } from "../../common/linux/pipe_size.ts";
import { setWindowSize } from "../../common/linux/terminal.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";
import type { ChildFds } from "./crun.ts";
import { Input } from "./input.ts";
import { Output } from "./output.ts";
import type { StreamTable } from "./stream_table.ts";

/** Instead of a number: /dev/null. A host that wants no stream at all must say so, as all 0 means calls. */
const NULL_PORT = 0xffff_ffff;

/** Numbers of the host's streams; all 0: the host uses the Read and Write calls instead. */
export interface StreamPorts {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** crun sends the terminal before it exits, so this passes only when something is broken. */
const CONSOLE_TIMEOUT_MS = 10_000;

/** Fewer turns for as many bytes; memory is taken only while bytes are in it. */
const STREAM_PIPE_BYTES = 1024 * 1024;

/** What the streams of all processes have in common. */
export interface IoTools {
  readonly streams: StreamTable;
  /** Size of a process's pipes in bytes, `agent.container_pipe_size`; 0: the best for how they are read. */
  readonly pipeBytes: number;
}

type OutputName = "stdout" | "stderr";
type HostStreams = { readonly [name in keyof StreamPorts]: Connection | undefined };

/**
 * Life: {@linkcode openIo}, crun with {@linkcode ProcessIo.fds}, {@linkcode ProcessIo.started}, and at last
 * {@linkcode ProcessIo.close}.
 *
 * Streams go through a pipe even where their descriptor could be the process's own: programs that open /dev/stdout
 * again (nginx's image does) would find a socket there, and fail with ENXIO.
 */
export class ProcessIo implements Disposable {
  readonly fds: ChildFds;
  readonly consoleSocket: string | undefined;
  readonly #begin: () => Promise<Ends>;
  readonly #release: DisposableStack;
  #ends: Ends = {};

  constructor(
    fds: ChildFds,
    begin: () => Promise<Ends>,
    release: DisposableStack,
    consoleSocket?: string,
  ) {
    this.fds = fds;
    this.consoleSocket = consoleSocket;
    this.#begin = begin;
    this.#release = release;
  }

  /** To be called once the process has its descriptors: bytes flow from here on. */
  async started(): Promise<void> {
    this.#ends = await this.#begin();
  }

  /** @throws {RuntimeError} FailedPrecondition: no such stream here. */
  async write(bytes: Uint8Array): Promise<number> {
    return await this.#input().write(bytes);
  }

  /** Ends the input. Again, or without an input, nothing happens. */
  async closeStdin(): Promise<void> {
    await this.#ends.input?.end();
  }

  /** As {@linkcode Output.read}. @throws {RuntimeError} FailedPrecondition: no such stream here. */
  async read(name: OutputName, max: number): Promise<Uint8Array> {
    const output = this.#ends[name];
    if (output) return await output.read(max);
    throw new RuntimeError(Code.FailedPrecondition, `The process has no ${name} to read`);
  }

  /** Sizes in characters. @throws {RuntimeError} FailedPrecondition: no terminal. */
  resize(rows: number, columns: number): void {
    const fd = this.#ends.terminal?.fd ?? -1;
    if (fd === -1) {
      throw new RuntimeError(Code.FailedPrecondition, "The process has no terminal");
    }
    setWindowSize(fd, rows, columns);
  }

  /** Resolves when the output written before the exit was passed on, or given up. */
  async drained(): Promise<void> {
    await Promise.all([this.#ends.stdout?.drained(), this.#ends.stderr?.drained()]);
    this.#ends.input?.close();
  }

  /** Resolves when no output can come any more. */
  async ended(): Promise<void> {
    await Promise.all([this.#ends.stdout?.ended, this.#ends.stderr?.ended]);
  }

  close(): void {
    this.#ends.input?.close();
    this.#ends.stdout?.close();
    this.#ends.stderr?.close();
    this.#release.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #input(): Input {
    if (this.#ends.input) return this.#ends.input;
    throw new RuntimeError(Code.FailedPrecondition, "The process has no stdin to write");
  }
}

/** The agent's ends. */
interface Ends {
  input?: Input;
  stdout?: Output;
  stderr?: Output;
  terminal?: FdStream;
}

/**
 * Makes pipes or a console socket, and claims the host's streams.
 * @param scratch Absolute path that this process alone may use as a prefix.
 * @throws {RuntimeError} DeadlineExceeded: a stream that the host named never came.
 */
export async function openIo(
  terminal: boolean,
  ports: StreamPorts,
  { streams, pipeBytes }: IoTools,
  scratch: string,
): Promise<ProcessIo> {
  using undo = new DisposableStack();
  const host = await claim(ports, streams, undo);
  const called = ports.stdin === 0 && ports.stdout === 0 && ports.stderr === 0;
  const release = new DisposableStack();
  undo.use(release);
  const io = terminal
    ? openTerminal(host, called, `${scratch}.tty`, release)
    : openPipes(host, { called, pipeBytes }, release);
  undo.move();
  return io;
}

/** Waits for all before it fails, so that none is left behind. */
async function claim(
  ports: StreamPorts,
  streams: StreamTable,
  undo: DisposableStack,
): Promise<HostStreams> {
  const wanted = [ports.stdin, ports.stdout, ports.stderr];
  const claims = await Promise.allSettled(
    wanted.map((number) => isNamed(number) ? streams.claim(number) : undefined),
  );
  for (const claim of claims) {
    if (claim.status === "fulfilled" && claim.value) {
      undo.adopt(claim.value, closeQuietly);
    }
  }
  const [stdin, stdout, stderr] = claims.map(valueOf);
  return { stdin, stdout, stderr };
}

function isNamed(number: number): boolean {
  return number !== 0 && number !== NULL_PORT;
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

/** @param called The host uses calls: every stream exists. Otherwise those that it did not name are /dev/null. */
function openPipes(
  host: HostStreams,
  { called, pipeBytes }: { readonly called: boolean; readonly pipeBytes: number },
  release: DisposableStack,
): ProcessIo {
  const fds: ChildFds = {};
  const childEnds = release.use(new DisposableStack());
  const open = (child: number, wanted: boolean): FdStream | undefined => {
    if (!wanted) return undefined;
    const [readEnd, writeEnd] = pipe();
    const bytes = pipeBytes || (called ? 0 : STREAM_PIPE_BYTES);
    if (bytes > 0) setPipeSize(readEnd, bytes);
    const [theirs, ours] = child === 0 ? [readEnd, writeEnd] : [writeEnd, readEnd];
    fds[child] = childEnds.use(new OwnedFd(theirs)).fd;
    return release.use(new FdStream(ours));
  };
  const stdin = open(0, called || host.stdin !== undefined);
  const stdout = open(1, called || host.stdout !== undefined);
  const stderr = open(2, called || host.stderr !== undefined);
  const begin = (): Promise<Ends> => {
    // While the agent holds the child's ends too, no pipe ever ends.
    childEnds.dispose();
    return Promise.resolve(connect(host, {
      ...(stdin && { input: new Input(stdin, false) }),
      ...(stdout && { stdout: new Output(stdout) }),
      ...(stderr && { stderr: new Output(stderr) }),
    }));
  };
  return new ProcessIo(fds, begin, release);
}

function openTerminal(
  host: HostStreams,
  called: boolean,
  socketPath: string,
  release: DisposableStack,
): ProcessIo {
  const socket = release.use(listenConsole(socketPath));
  const begin = async (): Promise<Ends> => {
    const master = await socket.accept(AbortSignal.timeout(CONSOLE_TIMEOUT_MS));
    const terminal = release.use(new FdStream(master, { gather: true }));
    const stdout = new Output(terminal);
    // A terminal whose output nobody takes blocks its process.
    if (!called && !host.stdout) stdout.discard();
    return connect(host, { input: new Input(terminal, true), stdout, terminal });
  };
  return new ProcessIo({}, begin, release, socketPath);
}

function connect(host: HostStreams, ends: Ends): Ends {
  if (host.stdin) ends.input?.pumpFrom(host.stdin);
  if (host.stdout) ends.stdout?.pumpTo(host.stdout);
  if (host.stderr) {
    if (ends.stderr) ends.stderr.pumpTo(host.stderr);
    else closeQuietly(host.stderr); // a terminal has one output
  }
  return ends;
}
