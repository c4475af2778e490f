import { close } from "./fd.ts";
import { receiveFd } from "./fd_passing.ts";
import { accept, unixListen } from "./socket.ts";
import { isTerminal } from "./terminal.ts";
import { Code, RuntimeError } from "../base/errors.ts";

/** Where an OCI runtime delivers a terminal's master. */
export interface ConsoleSocket extends Disposable {
  /**
   * Waits for one delivery.
   * @returns The master, close-on-exec, the caller's to close.
   * @throws {RuntimeError} FailedPrecondition: what came is no terminal.
   * @throws {SyscallError} EBADMSG: the peer sent no descriptor. Or the signal's reason.
   */
  accept(signal: AbortSignal): Promise<number>;
}

/**
 * Listens for terminals at `path`, for a runtime's `--console-socket`. Disposing removes the path.
 * Deliveries queue up, so accepting after the runtime has returned works as well.
 */
export function listenConsole(path: string): ConsoleSocket {
  const listener = unixListen(path);
  let open = true;
  return {
    accept: (signal) => acceptTerminal(listener, signal),
    [Symbol.dispose]: () => {
      if (!open) return;
      open = false;
      close(listener);
      removeIfThere(path);
    },
  };
}

async function acceptTerminal(listener: number, signal: AbortSignal): Promise<number> {
  const connection = await accept(listener, signal);
  try {
    const master = await receiveFd(connection, signal);
    if (isTerminal(master)) return master;
    close(master);
    throw new RuntimeError(
      Code.FailedPrecondition,
      "The console socket got a descriptor that is no terminal",
    );
  } finally {
    close(connection);
  }
}

/** The folder, a bundle say, may have been removed before us. */
function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
