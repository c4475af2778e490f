import { messageOf } from "../../../common/base/errors.ts";
import { close } from "../../../common/linux/fd.ts";
import { vsockConnect, vsockListen } from "../../../common/linux/socket.ts";
import { type Connection } from "../../../common/protocol/transport/connection.ts";
import { VsockDialer } from "../../../common/protocol/transport/vsock_dialer.ts";
import { VsockListener } from "../../../common/protocol/transport/vsock_listener.ts";
import { type Fixture, type Transport } from "./fixture.ts";

/** The machine itself as its guest. Source: vsock(7), VMADDR_CID_LOCAL. */
const LOCAL_CID = 1;
const PROBE_PORT = 10240;

/** Kernel vsock over the loopback transport, where the kernel has one. */
export const vsockLoopback: Transport = { name: "vsock", missing: await whyMissing(), start };

function start(): Promise<Fixture> {
  const dialer = new VsockDialer(LOCAL_CID);
  const accepted = new Set<Connection>();
  let listener = new VsockListener();
  const stop = () => {
    listener.close();
    for (const connection of accepted) connection.close();
    accepted.clear();
  };
  return Promise.resolve({
    dialer,
    openDialer: () => new VsockDialer(LOCAL_CID),
    listen: (port: number) => remember(listener.listen(port), accepted),
    restartGuest: () => {
      stop();
      listener = new VsockListener();
      return Promise.resolve();
    },
    hostileGuest: undefined,
    rawHost: undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(stop()),
  });
}

async function* remember(
  connections: AsyncIterable<Connection>,
  accepted: Set<Connection>,
): AsyncGenerator<Connection> {
  for await (const connection of connections) {
    accepted.add(connection);
    yield connection;
  }
}

async function whyMissing(): Promise<string | undefined> {
  try {
    const listening = vsockListen(PROBE_PORT);
    try {
      close(await vsockConnect(LOCAL_CID, PROBE_PORT, AbortSignal.timeout(1000)));
    } finally {
      close(listening);
    }
    return undefined;
  } catch (error) {
    return `this kernel has no vsock loopback: ${messageOf(error)}`;
  }
}
