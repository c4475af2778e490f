import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

const sys = {
  setns: libcFunction("setns", ["i32", "i32"]),
  unshare: libcFunction("unshare", ["i32"]),
};

/** Source: linux/sched.h. */
const CLONE_NEWNET = 0x40000000;
/** The network namespace of the calling thread. */
const CURRENT = "/proc/thread-self/ns/net";

/** Runs `work`, which must be synchronous, and brings this thread back to its own network namespace. */
function thereAndBack<T>(enter: () => void, work: () => T): T {
  using home = new OwnedFd(open(CURRENT, O.RDONLY));
  enter();
  try {
    return work();
  } finally {
    check(sys.setns(home.fd, CLONE_NEWNET), "setns", "our own network namespace");
  }
}

/**
 * Runs `work` in another network namespace: what it opens and spawns belongs there. It must not wait for anything, as
 * everything else on this thread would run there too.
 * @param fd An open namespace file.
 * @throws {SyscallError} EINVAL: not a network namespace. EPERM. Or what `work` throws.
 */
export function inNetns<T>(fd: number, work: () => T): T {
  return thereAndBack(
    () => check(sys.setns(fd, CLONE_NEWNET), "setns", `network namespace fd ${fd}`),
    work,
  );
}

/** Makes a network namespace, which lives while the descriptor or a process in it does. @throws {SyscallError} EPERM, ENOSPC. */
export function createNetns(): OwnedFd {
  return thereAndBack(
    () => check(sys.unshare(CLONE_NEWNET), "unshare", "network namespace"),
    () => new OwnedFd(open(CURRENT, O.RDONLY)),
  );
}
