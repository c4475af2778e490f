import { closeQuietly, type Connection, writeAll } from "../connection.ts";
import { type Dialer } from "../dialer.ts";
import { requestPort } from "../handshake.ts";
import { NotYet, retry } from "../retry.ts";
import { connectUnix } from "../unix_socket.ts";
import { pump, YamuxSession } from "../yamux/session.ts";
import { encodePreamble, ID_BYTES, preambleFreeShape, PreambleScanner } from "./preamble.ts";

/** Milliseconds until an unanswered preamble is sent again: the guest may have been booting. */
const REPEAT_MS = 50;
/** Times the preamble is sent before the channel is opened anew. */
const MAX_REPEATS = 100;

/** Reaches a guest over one serial channel; connections are streams of one session. */
export class SerialDialer implements Dialer {
  readonly #connect: () => Connection;
  readonly #name: string;
  #session: Promise<YamuxSession> | undefined;
  #channel: Connection | undefined;
  #closed = false;

  /** @param channel Path of the VMM's socket for the port, or a way to open it. */
  constructor(channel: string | (() => Connection)) {
    this.#connect = typeof channel === "string" ? () => connectUnix(channel) : channel;
    this.#name = typeof channel === "string" ? channel : "a serial channel";
  }

  dial(port: number, signal: AbortSignal): Promise<Connection> {
    return retry(
      async () => {
        const session = await this.#current(signal);
        const stream = session.open();
        await requestPort(stream, port, signal);
        return stream;
      },
      `reach port ${port} of the guest at ${this.#name}`,
      signal,
    );
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  /** The session, begun by the first caller; those who come meanwhile wait for the same one. */
  async #current(signal: AbortSignal): Promise<YamuxSession> {
    if (this.#closed) throw new Error("the dialer is closed");
    if (this.#session === undefined) {
      this.#session = this.#begin();
      this.#session.catch(() => {}); // each caller that still waits gets the error
    }
    const gone = Promise.withResolvers<never>();
    const abort = () => gone.reject(new NotYet("the guest does not answer yet"));
    signal.addEventListener("abort", abort);
    try {
      return await Promise.race([this.#session, gone.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async #begin(): Promise<YamuxSession> {
    await undefined; // #session is set before a failure clears it
    try {
      const channel = this.#channel = this.#connect();
      const session = await startSession(channel);
      void session.closed.then(() => this.#drop());
      if (this.#closed) this.#drop();
      return session;
    } catch (error) {
      this.#drop();
      throw new NotYet("the guest does not answer yet", { cause: error });
    }
  }

  #drop(): void {
    this.#session = undefined;
    if (this.#channel !== undefined) closeQuietly(this.#channel);
    this.#channel = undefined;
  }
}

/**
 * Begins a session: sends the preamble until the guest repeats it, dropping older bytes.
 * @throws {Error} The channel ended, or the guest never answered.
 */
async function startSession(channel: Connection): Promise<YamuxSession> {
  const id = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  const repeating = new Repeating(channel, encodePreamble(id));
  try {
    await findPreamble(channel, id);
  } finally {
    await repeating.stop();
  }
  const session = new YamuxSession(channel, { shape: preambleFreeShape });
  void pump(session, channel);
  return session;
}

/** Sends the preamble now and again until stopped; closes the channel when that is no use. */
class Repeating {
  readonly #channel: Connection;
  readonly #preamble: Uint8Array;
  readonly #timer: number;
  #count = 0;
  #writing: Promise<void> | undefined;

  constructor(channel: Connection, preamble: Uint8Array) {
    this.#channel = channel;
    this.#preamble = preamble;
    this.#timer = setInterval(() => this.#send(), REPEAT_MS);
    this.#send();
  }

  /** Resolves when no preamble is half written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
  }

  #send(): void {
    if (++this.#count > MAX_REPEATS) return closeQuietly(this.#channel);
    this.#writing ??= writeAll(this.#channel, this.#preamble)
      .catch(() => closeQuietly(this.#channel)) // which the reader reports
      .finally(() => this.#writing = undefined);
  }
}

/**
 * Reads up to the preamble with `id`. Nothing can follow it: the guest speaks when spoken to,
 * so what a hostile one sends too early is dropped.
 */
async function findPreamble(channel: Connection, id: Uint8Array): Promise<void> {
  let found = false;
  const scanner = new PreambleScanner({
    onBytes: () => {},
    onSession: (seen) => found ||= seen.every((byte, i) => byte === id[i]),
  });
  const buffer = new Uint8Array(4096);
  while (!found) {
    const count = await channel.read(buffer);
    if (count === null) throw new Error("the channel was closed");
    scanner.push(buffer.subarray(0, count));
  }
}
