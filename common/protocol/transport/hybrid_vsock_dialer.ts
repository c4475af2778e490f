import { type Connection } from "./connection.ts";
import { type Dialer } from "./dialer.ts";
import { requestPort } from "./handshake.ts";
import { retry } from "./retry.ts";
import { connectUnix } from "./unix_socket.ts";

/** Each attempt costs the process between host and guest a connection of its own, so that they are fewer here. */
const LONGEST_WAIT_MS = 250;

/** Reaches a guest's vsock through the Unix socket of its VMM. */
export class HybridVsockDialer implements Dialer {
  readonly #path: string;

  /** @param path The VMM's socket. */
  constructor(path: string) {
    this.#path = path;
  }

  dial(port: number, signal: AbortSignal): Promise<Connection> {
    return retry(
      async () => {
        const connection = connectUnix(this.#path);
        await requestPort(connection, port, signal);
        return connection;
      },
      `reach port ${port} of the guest at ${this.#path}`,
      signal,
      LONGEST_WAIT_MS,
    );
  }

  /** Nothing is kept between connections. */
  close(): void {}
}
