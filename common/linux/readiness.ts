import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = { poll: libcFunction("poll", ["buffer", "u64", "i32"]) };

/** Source: asm-generic/poll.h. */
const POLLIN = 1, POLLHUP = 0x10;

/**
 * Whether the other side has come and gone. A FIFO's reading end has hung up when somebody has written to it since it
 * was opened and nobody has it open for writing now; bytes may still be there to be read. Source: fs/pipe.c, pipe_poll.
 * @throws {SyscallError} With the errno of poll(2).
 */
export function isHungUp(fd: number): boolean {
  return (pollOne(fd, 0, 0) & POLLHUP) !== 0;
}

/**
 * Waits, holding up everything else, until a read would not say EAGAIN, or so many milliseconds: few, and only in the
 * midst of a flow. @throws {SyscallError} With the errno of poll(2).
 */
export function readableWithin(fd: number, ms: number): boolean {
  return pollOne(fd, POLLIN, ms) !== 0;
}

const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: int fd, short events, short revents
const entryBytes = new Uint8Array(entry.buffer);

function pollOne(fd: number, events: number, ms: number): number {
  entry.setInt32(0, fd, true);
  entry.setInt16(4, events, true);
  const result = sys.poll(entryBytes, 1, ms);
  if (result === -1 && errno() === Errno.EINTR) return 0;
  check(result, "poll", `fd ${fd}`);
  return entry.getInt16(6, true);
}
