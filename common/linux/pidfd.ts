import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

// Through syscall(2), since glibc 2.36 has pidfd_open and older ones do not.
const sys = { syscall: libcFunction("syscall", ["i64", "i64", "i64"]) };
/** The same number on every architecture. Source: asm-generic/unistd.h. */
const SYS_PIDFD_OPEN = 434;

/**
 * A descriptor, close-on-exec, that names one process for good and polls readable once it has ended.
 * @throws {SyscallError} ESRCH: no such process.
 */
export function openPidfd(pid: number): OwnedFd {
  return new OwnedFd(check(sys.syscall(SYS_PIDFD_OPEN, pid, 0), "pidfd_open", `pid ${pid}`));
}
