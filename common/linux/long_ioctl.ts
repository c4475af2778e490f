import { libcFunction, libcFunctionOnThread } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = {
  ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]),
  ioctlOnThread: libcFunctionOnThread("ioctl", ["i32", "u64", "buffer"]),
};

/** A request of ioctl(2), by number and name. */
export interface IoctlRequest {
  readonly number: number;
  readonly name: string;
}

/**
 * An ioctl that may take minutes and holds up nothing. One that fails is asked for again, here, because its error number
 * stays with the thread: so only for requests that go on where they stopped, or fail at once again.
 * @param subject What it is done to, for the error.
 * @throws {SyscallError} With the errno of ioctl(2).
 */
export async function longIoctl(
  fd: number,
  { number, name }: IoctlRequest,
  argument: Uint8Array,
  subject: string,
): Promise<void> {
  if (await sys.ioctlOnThread(fd, number, argument) !== -1) return;
  check(sys.ioctl(fd, number, argument), `ioctl ${name}`, subject);
}
