import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { close } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import {
  type LoopbackConnection,
  LoopbackListener,
  resetOnClose,
} from "../../common/linux/loopback_listener.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";
import {
  askForward,
  FORWARD_PORT,
  type ForwardRequest,
} from "../../common/protocol/transport/forward.ts";
import { joinConnections } from "../../common/protocol/transport/join.ts";

/** Most connections at once; further ones are reset. */
const MAX_CONNECTIONS = 512;
/** How long the guest may take to say whether somebody listens, in milliseconds. */
const ANSWER_MS = 20_000;

/** The way to the agent. */
export interface GuestDialer {
  dial(port: number, signal: AbortSignal): Promise<Connection>;
}

/**
 * Carries each TCP connection that is made inside the pod's namespace to localhost to the same port of the guest's
 * localhost, until the signal aborts. A port on which nobody listens resets the connection.
 * @param netnsFd The pod's namespace.
 */
export async function forwardPorts(
  netnsFd: number,
  guest: GuestDialer,
  signal: AbortSignal,
): Promise<void> {
  using listener = LoopbackListener.open(netnsFd);
  let open = 0;
  while (!signal.aborted) {
    const connection = await listener.accept(signal).catch((error) => {
      if (!signal.aborted) throw error;
    });
    if (!connection) return;
    if (open >= MAX_CONNECTIONS) {
      reset(connection.fd);
      continue;
    }
    open++;
    void carry(connection, guest, signal).finally(() => open--);
  }
}

function reset(fd: number): void {
  resetOnClose(fd);
  close(fd);
}

/** Never throws: what goes wrong resets the connection. */
async function carry(
  { fd, family, port }: LoopbackConnection,
  guest: GuestDialer,
  signal: AbortSignal,
): Promise<void> {
  using stream = new FdStream(fd);
  const end = (): void => stream.close();
  signal.addEventListener("abort", end);
  try {
    const connection = await connect(guest, { family, port }, signal);
    if (connection) await joinConnections(stream, connection);
    else if (stream.fd !== -1) resetOnClose(stream.fd);
  } catch (error) {
    log.debug("A forwarded connection ended", { port, reason: messageOf(error) });
    if (stream.fd !== -1) resetOnClose(stream.fd);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** @returns `undefined`: nobody listens there. */
async function connect(
  guest: GuestDialer,
  request: ForwardRequest,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const connection = await guest.dial(FORWARD_PORT, limited);
  const end = (): void => closeQuietly(connection);
  limited.addEventListener("abort", end);
  try {
    return await askForward(connection, request) ? connection : undefined;
  } finally {
    limited.removeEventListener("abort", end);
  }
}
