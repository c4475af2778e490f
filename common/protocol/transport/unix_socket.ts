import { FdStream } from "../../linux/fd_stream.ts";
import { unixConnect } from "../../linux/socket.ts";
import { isErrno } from "../../linux/syscall_error.ts";
import { NotYet } from "./retry.ts";

/**
 * Connects to a VMM's socket.
 * @throws {NotYet} The VMM does not listen there yet, or has too many callers waiting.
 */
export function connectUnix(path: string): FdStream {
  try {
    return new FdStream(unixConnect(path));
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ECONNREFUSED", "EAGAIN")) throw error;
    throw new NotYet("the VMM does not listen yet", { cause: error });
  }
}
