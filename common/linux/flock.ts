import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check, isErrno } from "./syscall_error.ts";

const sys = { flock: libcFunction("flock", ["i32", "i32"]) };
/** Source: flock(2). */
const LOCK_EX = 2, LOCK_NB = 4;

/**
 * Takes a lock file for ourselves, making it if it is not there. The kernel frees the lock when its holder dies.
 * @returns What frees it; `undefined` when another process holds it.
 */
export function tryLock(path: string): Disposable | undefined {
  using undo = new DisposableStack();
  const file = undo.use(new OwnedFd(open(path, O.RDWR | O.CREAT, 0o600)));
  try {
    check(sys.flock(file.fd, LOCK_EX | LOCK_NB), "flock", path);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return undefined;
    throw error;
  }
  return undo.move();
}
