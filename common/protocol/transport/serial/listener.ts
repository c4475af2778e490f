import { AcceptQueue } from "../accept_queue.ts";
import { closeQuietly, type Connection, writeAll } from "../connection.ts";
import { confirmPort, readPort } from "../handshake.ts";
import { type GuestListener } from "../listener.ts";
import { YamuxSession } from "../yamux/session.ts";
import { type YamuxStream } from "../yamux/stream.ts";
import { encodePreamble, PreambleScanner } from "./preamble.ts";

/** Longest read from the channel. */
const READ_BYTES = 256 * 1024;

/** Accepts streams that the host opens over one serial channel, session after session. */
export class SerialListener implements GuestListener {
  readonly #channel: Connection;
  readonly #ports = new Map<number, AcceptQueue>();
  readonly #buffer = new Uint8Array(READ_BYTES);
  #session: { readonly id: Uint8Array; readonly yamux: YamuxSession } | undefined;
  /** The answer to the last preamble is on its way; reading waits for it. */
  #answering: Promise<void> | undefined;

  /** Resolves when the channel has ended, with the error if there was one. Never rejects. */
  readonly closed: Promise<Error | undefined>;

  /** Takes ownership of the channel: a virtio-serial port whose hang-ups do not end it. */
  constructor(channel: Connection) {
    this.#channel = channel;
    this.closed = this.#run();
  }

  listen(port: number): AsyncIterable<Connection> {
    if (this.#ports.has(port)) throw new Deno.errors.AddrInUse(`Port ${port} is taken`);
    const queue = new AcceptQueue();
    this.#ports.set(port, queue);
    return queue;
  }

  close(): void {
    this.#end();
    closeQuietly(this.#channel);
  }

  async #run(): Promise<Error | undefined> {
    const scanner = new PreambleScanner({
      onBytes: (bytes) => this.#session?.yamux.receive(bytes),
      onSession: (id) => this.#begin(id),
    });
    try {
      for (;;) {
        const count = await this.#channel.read(this.#buffer);
        if (count === null) return undefined;
        scanner.push(this.#buffer.subarray(0, count));
        await this.#answering;
      }
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#end();
    }
  }

  /** The host may repeat its preamble until it sees the answer: the same id is no new session. */
  #begin(id: Uint8Array): void {
    const old = this.#session;
    if (old !== undefined && id.every((byte, i) => byte === old.id[i])) return;
    old?.yamux.end();
    const before = Promise.all([this.#answering, old?.yamux.flushed()]);
    const answered = before.then(() => writeAll(this.#channel, encodePreamble(id)));
    this.#answering = answered;
    const carrier = {
      write: (bytes: Uint8Array): Promise<number> =>
        answered.then(() => this.#channel.write(bytes)),
    };
    this.#session = {
      id,
      yamux: new YamuxSession(carrier, { onStream: (stream) => void this.#route(stream) }),
    };
  }

  /** Gives a stream to the port it asks for, or closes it. */
  async #route(stream: YamuxStream): Promise<void> {
    try {
      const port = await readPort(stream);
      const queue = port === undefined ? undefined : this.#ports.get(port);
      if (port === undefined || queue === undefined) return stream.close();
      await confirmPort(stream, port);
      if (!queue.push(stream)) stream.close();
    } catch {
      stream.close(); // the host left, or sent something else: its stream alone is at fault
    }
  }

  #end(): void {
    this.#session?.yamux.end();
    for (const queue of this.#ports.values()) queue.close();
    this.#ports.clear();
  }
}
