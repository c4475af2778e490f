import { type ErrnoName, errnoName } from "./errno.ts";
import { errno } from "./libc.ts";

/** A system call that failed. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** Name of the error number, such as "ENOENT". */
  readonly code: string;

  /**
   * @param call The function that failed, such as "mount".
   * @param subject What it was done to: a path, "pid 12", "fd 3".
   * @param errno The error number, positive.
   */
  constructor(readonly call: string, readonly subject: string, readonly errno: number) {
    const code = errnoName(errno);
    super(`${call} ${subject}: ${code}`);
    this.code = code;
  }
}

/** Whether a thrown value is a {@linkcode SyscallError} with one of the named error numbers. */
export function isErrno(error: unknown, ...names: ErrnoName[]): error is SyscallError {
  return error instanceof SyscallError && names.some((name) => name === error.code);
}

/**
 * The result of a libc call that returns -1 on failure.
 * @throws {SyscallError} With the current errno, so nothing may come between the call and this.
 */
export function check(result: number, call: string, subject: string): number {
  if (result === -1) throw new SyscallError(call, subject, errno());
  return result;
}
