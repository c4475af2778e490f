import { Errno } from "./errno.ts";
import { cString, errno, hotLibcFunction, libcFunction } from "./libc.ts";
import { check, SyscallError } from "./syscall_error.ts";

const hot = {
  read: hotLibcFunction("read", ["i32", "buffer", "usize"]),
  write: hotLibcFunction("write", ["i32", "buffer", "usize"]),
};
const sys = {
  open: libcFunction("open", ["buffer", "i32", "u32"]),
  close: libcFunction("close", ["i32"]),
  pipe2: libcFunction("pipe2", ["buffer", "i32"]),
  fcntl: libcFunction("fcntl", ["i32", "i32", "i64"]),
};

const arm = Deno.build.arch === "aarch64";

/** Flags of open(2). Source: asm-generic/fcntl.h, and arch/arm64's fcntl.h for the four that differ. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: arm ? 0o40000 : 0o200000,
  NOFOLLOW: arm ? 0o100000 : 0o400000,
  DIRECT: arm ? 0o200000 : 0o40000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

const F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;
/** Longest single transfer: the result must fit an int. */
const MAX_TRANSFER_BYTES = 0x7ffff000;

/**
 * Opens a path; the descriptor is always close-on-exec. Blocks as open(2) does (a FIFO without O.NONBLOCK waits).
 * @throws {SyscallError} With the errno of open(2).
 */
export function open(path: string, flags: number, mode = 0): number {
  return check(sys.open(cString(path), flags | O.CLOEXEC, mode), "open", path);
}

/** Closes a descriptor. Linux releases it even when close(2) reports an error, so only EBADF is one here. */
export function close(fd: number): void {
  if (sys.close(fd) === -1 && errno() === Errno.EBADF) {
    throw new SyscallError("close", `fd ${fd}`, Errno.EBADF);
  }
}

/** A pipe's ends: read, write. Both close-on-exec; `flags` may add O.NONBLOCK or O.DIRECT. */
export function pipe(flags = 0): [read: number, write: number] {
  const ends = new Int32Array(2);
  check(sys.pipe2(new Uint8Array(ends.buffer), flags | O.CLOEXEC), "pipe2", "");
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/** Reads once. @returns Bytes read, 0 at end of file, or the negated errno, such as -Errno.EAGAIN. */
export function readSync(fd: number, into: Uint8Array): number {
  const count = hot.read(
    fd,
    into,
    Math.min(into.length, MAX_TRANSFER_BYTES),
  );
  return count === -1 ? -errno() : count;
}

/** Writes once. @returns Bytes written, maybe fewer than given, or the negated errno, such as -Errno.EAGAIN. */
export function writeSync(fd: number, bytes: Uint8Array): number {
  const count = hot.write(
    fd,
    bytes,
    Math.min(bytes.length, MAX_TRANSFER_BYTES),
  );
  return count === -1 ? -errno() : count;
}

/** Duplicates a descriptor, close-on-exec, to the lowest free number at or above `atLeast`. */
export function dup(fd: number, atLeast = 0): number {
  return check(sys.fcntl(fd, F_DUPFD_CLOEXEC, atLeast), "fcntl F_DUPFD_CLOEXEC", `fd ${fd}`);
}

/** Sets or clears O_NONBLOCK, which all duplicates of the descriptor share. @returns Whether it was set before. */
export function setNonblocking(fd: number, on = true): boolean {
  const flags = statusFlags(fd);
  const wanted = on ? flags | O.NONBLOCK : flags & ~O.NONBLOCK;
  if (wanted !== flags) check(sys.fcntl(fd, F_SETFL, wanted), "fcntl F_SETFL", `fd ${fd}`);
  return (flags & O.NONBLOCK) !== 0;
}

/** Access mode and status flags of an open descriptor, as {@linkcode O} has them. */
export function statusFlags(fd: number): number {
  return check(sys.fcntl(fd, F_GETFL, 0), "fcntl F_GETFL", `fd ${fd}`);
}

/** Sets or clears close-on-exec on this descriptor alone. */
export function setCloexec(fd: number, on = true): void {
  const flags = check(sys.fcntl(fd, F_GETFD, 0), "fcntl F_GETFD", `fd ${fd}`);
  const wanted = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
  if (wanted !== flags) check(sys.fcntl(fd, F_SETFD, wanted), "fcntl F_SETFD", `fd ${fd}`);
}

export { OwnedFd } from "./owned_fd.ts";
export { openat2, RESOLVE } from "./openat2.ts";
