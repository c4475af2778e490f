import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { O, open } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { setPipeSize } from "../../../common/linux/pipe_size.ts";
import { isErrno } from "../../../common/linux/syscall_error.ts";
import type { ByteSink, ByteSource, ProcessIo } from "../../sandbox/process_io.ts";
import { type BinaryLogger, type LoggedContainer, startBinaryLogger } from "./binary_logger.ts";
import { FifoInput } from "./fifo_input.ts";
import { parseStreamUri, type StreamTarget } from "./uri.ts";

/** The streams that Create and Exec name. */
export interface StreamUris {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

/** Mode of a log file that a `file` URI names. Source: runc's shim. */
const LOG_FILE_MODE = 0o644;

function openTarget(path: string, flags: number, mode?: number): FdStream {
  try {
    return new FdStream(open(path, flags | O.CLOEXEC, mode));
  } catch (cause) {
    throw new RuntimeError(Code.Unknown, `Cannot open stream "${path}": ${messageOf(cause)}`);
  }
}

function openFile(path: string): FdStream {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")) || "/", { recursive: true });
  return openTarget(path, O.WRONLY | O.APPEND | O.CREAT, LOG_FILE_MODE);
}

/** Fewer turns for as many bytes; memory is taken only while bytes are in it. */
const FIFO_BYTES = 1024 * 1024;

/** A larger pipe is a favour that the kernel may refuse. */
function widened(fifo: FdStream): FdStream {
  try {
    setPipeSize(fifo.fd, FIFO_BYTES);
  } catch (error) {
    if (!isErrno(error, "EPERM", "EBADF", "EBUSY", "ENOMEM")) throw error;
  }
  return fifo;
}

/**
 * Opens an output. A FIFO is opened for both directions: that never blocks, needs no reader yet, and
 * outlives one that goes away and comes back. Source: fifo(7).
 */
function openOutput(target: StreamTarget): FdStream | undefined {
  switch (target.kind) {
    case "null":
      return undefined;
    case "fifo":
      return widened(openTarget(target.path, O.RDWR | O.NONBLOCK));
    case "file":
      return openFile(target.path);
    case "binary":
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot log stderr alone to binary "${target.path}"`,
      );
  }
}

/** Where a process's output goes. */
interface Outputs {
  readonly stdout: FdStream | undefined;
  readonly stderr: FdStream | undefined;
  readonly logger?: BinaryLogger;
}

async function openOutputs(uris: StreamUris, container: LoggedContainer): Promise<Outputs> {
  const target = parseStreamUri(uris.stdout);
  if (target.kind === "binary") {
    // One program takes both. Source: containerd's shim, pkg/process/io.go.
    const logger = await startBinaryLogger(target.path, target.args, container);
    const { stdout, stderr } = logger;
    return { stdout, stderr: uris.terminal ? undefined : stderr, logger };
  }
  using undo = new DisposableStack();
  const stdout = undo.use(openOutput(target));
  const stderr = uris.terminal ? undefined : openOutput(parseStreamUri(uris.stderr));
  undo.move();
  return { stdout, stderr };
}

/** Where stdin comes from, and what the process's start and CloseIO do to it. */
interface Input extends Disposable {
  readonly source: ByteSource;
  begin(): void;
  end(): void;
}

function openInput(target: StreamTarget, attended: boolean): Input | undefined {
  switch (target.kind) {
    case "null":
      return undefined;
    case "fifo": {
      const fifo = new FifoInput(target.path, openTarget, attended);
      return {
        source: fifo,
        begin: () => fifo.begin(),
        end: () => fifo.end(),
        [Symbol.dispose]: () => fifo[Symbol.dispose](),
      };
    }
    case "file": {
      const file = openTarget(target.path, O.RDONLY);
      return { source: file, begin: () => {}, end: () => {}, [Symbol.dispose]: () => file.close() };
    }
    case "binary":
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot read stdin from binary "${target.path}"`,
      );
  }
}

/**
 * Opens the host's ends of a process's streams.
 * @param container For loggers, which are told whose output they take.
 * @throws {RuntimeError} Nothing is left open then.
 */
export async function openStdio(
  uris: StreamUris,
  container: LoggedContainer,
): Promise<ProcessIo> {
  using undo = new DisposableStack();
  const attended = parseStreamUri(uris.stdout).kind === "fifo";
  const input = undo.use(openInput(parseStreamUri(uris.stdin), attended));
  const { stdout, stderr, logger } = await openOutputs(uris, container);
  undo.move();
  const closeStreams = (): void => {
    stdout?.close();
    stderr?.close();
    input?.[Symbol.dispose]();
  };
  return {
    ...optional("stdin", input?.source),
    ...optional("stdout", stdout),
    ...optional("stderr", stderr),
    begin: () => input?.begin(),
    closeStdin: () => input?.end(),
    closeStreams,
    close: async () => {
      closeStreams();
      await logger?.end();
    },
  };
}

/** A property that is absent rather than undefined. */
function optional<K extends string, V extends ByteSource | ByteSink>(
  key: K,
  value: V | undefined,
): { [P in K]?: V } {
  return value === undefined ? {} : { [key]: value } as { [P in K]?: V };
}
