import { libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = { fcntl: libcFunction("fcntl", ["i32", "i32", "i64"]) };
/** Source: linux/fcntl.h. */
const F_SETPIPE_SZ = 1031;

/**
 * Sets how many bytes a pipe holds, 64 KiB unless set.
 * @returns The size it has now, rounded up by the kernel.
 * @throws {SyscallError} EPERM: above /proc/sys/fs/pipe-max-size, or too many pages of one user. EBADF: no pipe.
 */
export function setPipeSize(fd: number, bytes: number): number {
  return check(sys.fcntl(fd, F_SETPIPE_SZ, bytes), "fcntl F_SETPIPE_SZ", `fd ${fd}`);
}
