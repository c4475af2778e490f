import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";

const sys = { syscall: libcFunction("syscall", ["i64", "u32", "pointer"]) };
/** The same number on every architecture. Source: asm-generic/unistd.h. */
const SYS_IO_URING_SETUP = 425;

/** Whether programs here may use io_uring: it can be left out of the kernel, switched off, or filtered out. */
export function ioUringAvailable(): boolean {
  // Without parameters it never makes a ring: EFAULT says that it would have looked at them.
  return sys.syscall(SYS_IO_URING_SETUP, 1, null) === -1 && errno() === Errno.EFAULT;
}
