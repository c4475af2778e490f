import { close, O, open, OwnedFd } from "../../../common/linux/fd.ts";
import { sendFd } from "../../../common/linux/fd_passing.ts";
import { openPty } from "../../../common/linux/pty.ts";
import { unixConnect } from "../../../common/linux/socket.ts";
import { makeRaw } from "../../../common/linux/terminal.ts";

/** The streams that a process is to have. */
export interface Streams extends Disposable {
  /** The terminal's slave, when they are one. */
  readonly terminal: number | undefined;
  /** Its master, for whoever shows it. */
  readonly master: OwnedFd | undefined;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** One of our own streams; /dev/null when our caller has closed it. */
function inherited(fd: number, undo: DisposableStack): number {
  try {
    Deno.statSync(`/proc/self/fd/${fd}`);
    return fd;
  } catch {
    return devNull(undo); // closed, or open to what cannot be reached: as good as nothing
  }
}

function devNull(undo: DisposableStack): number {
  const fd = open("/dev/null", O.RDWR);
  undo.defer(() => close(fd));
  return fd;
}

/** Our own streams, for the process to use. */
export function ownStreams(): Streams {
  using undo = new DisposableStack();
  const [stdin, stdout, stderr] = [0, 1, 2].map((fd) => inherited(fd, undo));
  const owned = undo.move();
  return {
    terminal: undefined,
    master: undefined,
    stdin: stdin ?? -1,
    stdout: stdout ?? -1,
    stderr: stderr ?? -1,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** A new terminal. Its host's end passes bytes on as they are: the guest's own terminal edits lines. */
export function newTerminal(): Streams {
  using undo = new DisposableStack();
  const pty = openPty();
  const master = undo.use(new OwnedFd(pty.master));
  const slave = undo.use(new OwnedFd(open(pty.slavePath, O.RDWR | O.NOCTTY))).fd;
  makeRaw(slave);
  const [stdout, stderr] = [devNull(undo), devNull(undo)];
  const owned = undo.move();
  return {
    terminal: slave,
    master,
    stdin: slave,
    stdout,
    stderr,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Hands a terminal's master to whoever listens at the console socket. @throws {SyscallError} Nobody does. */
export function sendConsole(socket: string, master: number): void {
  using connection = new OwnedFd(unixConnect(socket));
  sendFd(connection.fd, master);
}
