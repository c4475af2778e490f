import { Code, RuntimeError } from "../../common/base/errors.ts";
import { unixListen } from "../../common/linux/socket.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/**
 * Listens on a socket that a VMM is to be given.
 * @returns The descriptor, which is the caller's, like the path.
 * @throws {RuntimeError} AlreadyExists: something has that path, and keeps it.
 */
export function listenForVm(path: string): number {
  try {
    return unixListen(path);
  } catch (error) {
    if (!isErrno(error, "EADDRINUSE")) throw error;
    throw new RuntimeError(Code.AlreadyExists, `Cannot start a VM: "${path}" is there already`);
  }
}
