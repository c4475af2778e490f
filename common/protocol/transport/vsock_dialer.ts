import { FdStream } from "../../linux/fd_stream.ts";
import { vsockConnect } from "../../linux/socket.ts";
import { isErrno } from "../../linux/syscall_error.ts";
import { type Connection } from "./connection.ts";
import { type Dialer } from "./dialer.ts";
import { NotYet, retry } from "./retry.ts";

/** Reaches a guest's vsock through the kernel. */
export class VsockDialer implements Dialer {
  readonly #cid: number;

  constructor(cid: number) {
    this.#cid = cid;
  }

  dial(port: number, signal: AbortSignal): Promise<Connection> {
    return retry(
      () => this.#connect(port, signal),
      `reach port ${port} of the guest at vsock ${this.#cid}`,
      signal,
    );
  }

  /** Nothing is kept between connections. */
  close(): void {}

  async #connect(port: number, signal: AbortSignal): Promise<Connection> {
    try {
      return new FdStream(await vsockConnect(this.#cid, port, signal));
    } catch (error) {
      // Nobody listens (ECONNRESET), or the guest's driver is not up (the others).
      if (!isErrno(error, "ECONNRESET", "ENODEV", "ETIMEDOUT", "EHOSTUNREACH")) throw error;
      throw new NotYet(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }
}
