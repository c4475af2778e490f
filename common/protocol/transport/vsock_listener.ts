import { FdStream } from "../../linux/fd_stream.ts";
import { close } from "../../linux/fd.ts";
import { accept, vsockListen } from "../../linux/socket.ts";
import { type Connection } from "./connection.ts";
import { type GuestListener } from "./listener.ts";

/**
 * Accepts the host's connections from the kernel. Raw sockets rather than `Deno.listen`, so
 * that a connection can become a container's standard stream without passing through here.
 */
export class VsockListener implements GuestListener {
  readonly #stop = new AbortController();

  listen(port: number): AsyncIterable<Connection> {
    return acceptAll(vsockListen(port), this.#stop.signal);
  }

  close(): void {
    this.#stop.abort();
  }
}

/** Yields connections until `signal` aborts, then closes the listening socket `fd`. */
async function* acceptAll(fd: number, signal: AbortSignal): AsyncGenerator<FdStream, void> {
  try {
    while (!signal.aborted) yield new FdStream(await accept(fd, signal));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    close(fd);
  }
}
