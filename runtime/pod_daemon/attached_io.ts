import { close, dup, O, open } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { SyscallError } from "../../common/linux/syscall_error.ts";
import { windowSize } from "../../common/linux/terminal.ts";
import type { ProcessIo } from "../sandbox/process_io.ts";
import { Relay } from "../sandbox/relay.ts";
import type { Attachment } from "./attachment.ts";

/** The device number of /dev/null. Source: Linux devices.txt. */
const DEV_NULL = 0x103;

/**
 * Opens a stream anew, so that making it nonblocking is no concern of whoever else holds it. A file keeps its
 * position and a socket cannot be opened: those are used as they are.
 * @returns `undefined` for /dev/null. The given descriptor is used up.
 */
function ownStream(fd: number, flags: number): FdStream | undefined {
  const path = `/proc/self/fd/${fd}`;
  const { isFile, isSocket, isCharDevice, rdev } = Deno.statSync(path);
  if (isFile || isSocket) return new FdStream(fd);
  try {
    if (isCharDevice && rdev === DEV_NULL) return undefined;
    return new FdStream(open(path, flags | O.NONBLOCK | O.NOCTTY));
  } catch (error) {
    if (error instanceof SyscallError) return undefined; // ENXIO: nobody is at a pipe's other end any more
    throw error;
  } finally {
    close(fd);
  }
}

/** A property that is absent rather than undefined. */
function optional<K extends string>(
  key: K,
  value: FdStream | undefined,
): { [P in K]?: FdStream } {
  return value === undefined ? {} : { [key]: value } as { [P in K]?: FdStream };
}

function companionOf({ pid, channel }: Attachment): {
  companion: NonNullable<ProcessIo["companion"]>;
  drop: () => void;
} {
  const stream = new FdStream(channel);
  let adopted = false;
  return {
    companion: (onSignal) => {
      adopted = true;
      return Relay.adopt(pid, stream, onSignal);
    },
    drop: () => {
      if (!adopted) stream.close(); // it ends by itself then
    },
  };
}

function streamsOf(
  attachment: Attachment,
): Pick<ProcessIo, "stdin" | "stdout" | "stderr" | "terminalSize"> & { all: FdStream[] } {
  const { stdin: first, stdout: second, stderr: third } = attachment;
  if (!attachment.terminal) {
    const stdin = ownStream(first, O.RDONLY);
    const stdout = ownStream(second, O.WRONLY), stderr = ownStream(third, O.WRONLY);
    const all = [stdin, stdout, stderr].filter((stream) => stream !== undefined);
    return {
      ...optional("stdin", stdin),
      ...optional("stdout", stdout),
      ...optional("stderr", stderr),
      all,
    };
  }
  close(second);
  close(third);
  // Two descriptors, so that the end of input does not end the output.
  const stdin = new FdStream(dup(first)), stdout = new FdStream(first);
  const terminalSize = (): { columns: number; rows: number } => {
    if (stdout.fd === -1) return { columns: 0, rows: 0 };
    const { cols: columns, rows } = windowSize(stdout.fd);
    return { columns, rows };
  };
  return { stdin, stdout, terminalSize, all: [stdin, stdout] };
}

/**
 * The host's ends of a process whose streams and relay the command line has brought along; the attachment's descriptors
 * are used up.
 */
export function attachedIo(attachment: Attachment): ProcessIo {
  const { companion, drop } = companionOf(attachment);
  const { all, ...streams } = streamsOf(attachment);
  const closeStreams = (): void => {
    for (const stream of all) stream.close();
  };
  return {
    ...streams,
    pid: attachment.pid,
    companion,
    begin: () => {},
    closeStdin: () => {
      if (streams.stdin instanceof FdStream) streams.stdin.close();
    },
    closeStreams,
    // deno-lint-ignore require-await -- nothing of the host's runs for these streams
    close: async () => {
      closeStreams();
      drop();
    },
  };
}
