import { AcceptQueue } from "../../../common/protocol/transport/accept_queue.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../../common/protocol/transport/connection.ts";
import { confirmPort, readPort } from "../../../common/protocol/transport/handshake.ts";
import { HybridVsockDialer } from "../../../common/protocol/transport/hybrid_vsock_dialer.ts";
import { type Fixture, type Transport } from "./fixture.ts";

/** Hybrid vsock over a bridge in this process, which follows Firecracker's docs/vsock.md. */
export const hybridVsock: Transport = { name: "hybrid vsock", start };

async function start(): Promise<Fixture> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/vsock`;
  const dialer = new HybridVsockDialer(path);
  let bridge = new Bridge(path);
  return {
    dialer,
    openDialer: () => new HybridVsockDialer(path),
    listen: (port) => bridge.listen(port),
    restartGuest: async () => {
      await bridge.close();
      bridge = new Bridge(path);
    },
    hostileGuest: async (bytes) => {
      await bridge.close();
      bridge = new Bridge(path, bytes);
    },
    rawHost: () => Deno.connect({ transport: "unix", path }),
    async [Symbol.asyncDispose]() {
      dialer.close();
      await bridge.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

class Bridge {
  readonly #listener: Deno.UnixListener;
  readonly #ports = new Map<number, AcceptQueue>();
  readonly #connections = new Set<Deno.Conn>();
  readonly #loop: Promise<void>;

  readonly #noise: Uint8Array | undefined;

  /** @param noise Sent to whoever connects, in place of what is right. */
  constructor(path: string, noise?: Uint8Array) {
    this.#noise = noise;
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#loop = this.#accept();
  }

  listen(port: number): AsyncIterable<Connection> {
    const queue = new AcceptQueue();
    this.#ports.set(port, queue);
    return queue;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) closeQuietly(connection);
    for (const queue of this.#ports.values()) queue.close();
    await this.#loop;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      const served = this.#noise ? writeAll(connection, this.#noise) : this.#route(connection);
      served.catch(() => closeQuietly(connection));
    }
  }

  async #route(connection: Deno.Conn): Promise<void> {
    const queue = this.#ports.get(await readPort(connection) ?? -1);
    if (queue === undefined) return closeQuietly(connection);
    await confirmPort(connection, 1073741824); // the host side's port number, which means nothing here
    if (!queue.push(connection)) closeQuietly(connection);
  }
}
