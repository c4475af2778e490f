import { openPidfd } from "../../common/linux/pidfd.ts";
import { kill, SIGNALS } from "../../common/linux/process.ts";
import { ready } from "../../common/linux/socket.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { isServed } from "./sandbox_record.ts";
import type { SavedSandbox } from "./state_file.ts";

/** Longest time for a process to be gone once it is killed, in milliseconds. */
const END_MS = 5_000;

/**
 * Kills the process that serves a sandbox, and waits until it is gone, so that what it leaves can be removed. It tells
 * nobody any more. Does nothing when there is none.
 * @throws {DOMException} TimeoutError: the kernel does not let it end.
 */
export async function killServer(state: SavedSandbox): Promise<void> {
  if (!isServed(state)) return;
  try {
    using pidfd = openPidfd(state.shim.pid);
    if (!isServed(state)) return; // it has ended meanwhile, and the pid may be another's
    kill(state.shim.pid, SIGNALS.SIGKILL);
    await ready(pidfd.fd, "readable", AbortSignal.timeout(END_MS));
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}
