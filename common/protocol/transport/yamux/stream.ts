import { type Connection } from "../connection.ts";
import { Flag, HEADER_BYTES, INITIAL_WINDOW_BYTES, YamuxError } from "./frame.ts";
import { Ring } from "./ring.ts";

/** A receive window grows to this while its reader keeps up. */
export const MAX_WINDOW_BYTES = 1024 * 1024;

/** Longest payload of one data frame that is copied, so that streams take turns. */
const MAX_CHUNK_BYTES = 32 * 1024 - HEADER_BYTES;

/**
 * Longest payload of one that is not. A virtio-serial port takes 32 KiB a write, so whole frames are a multiple of
 * that. Source: Linux, virtio_console.c, port_fops_write.
 */
const MAX_IN_PLACE_BYTES = 256 * 1024 - HEADER_BYTES;

/** What a stream needs from its session. */
export interface StreamHost {
  /** Sends one data frame from the start of `bytes`. @returns How many of them it took. */
  sendData(streamId: number, bytes: Uint8Array): number;
  /**
   * Sends one data frame without a copy; its header is written into the first bytes of `frame`.
   * @returns How many bytes of the payload it took, once they are written.
   */
  sendInPlace(streamId: number, frame: Uint8Array): Promise<number>;
  /** Asks whether a stream's window may grow by so much; a negative number gives back what was granted. */
  grow(bytes: number): boolean;
  /** Sends a window update; `delta` may be 0 when only the flags matter. */
  sendWindow(streamId: number, delta: number, flags: number): void;
  /** Waits for a turn to send one data frame; `undefined` when there is room at once. */
  room(): Promise<void> | undefined;
  /** Gives back a turn that is not used. */
  passTurn(): void;
  /** Accounts for bytes that are kept for a reader. @returns False when the session keeps too many. */
  keep(bytes: number): boolean;
  /** The stream has ended both ways and its id can be forgotten. */
  forget(streamId: number): void;
}

interface PendingRead {
  readonly into: Uint8Array;
  resolve(count: number | null): void;
  reject(error: unknown): void;
}

/** One stream of a session. */
export class YamuxStream implements Connection {
  readonly id: number;
  readonly #host: StreamHost;
  readonly #kept = new Ring();
  #read: PendingRead | undefined;
  #sendWindow = INITIAL_WINDOW_BYTES;
  #receiveWindow = INITIAL_WINDOW_BYTES;
  /** Bytes the peer may still send. */
  #credit = INITIAL_WINDOW_BYTES;
  #wakeWriter: (() => void) | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #sentFin = false;
  #gotFin = false;
  /** Set once nothing can be sent any more. */
  #failure: Error | undefined;

  constructor(id: number, host: StreamHost) {
    this.id = id;
    this.#host = host;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#read !== undefined) return Promise.reject(new Error("Stream is being read already"));
    if (into.length === 0) return Promise.resolve(0);
    if (this.#kept.length > 0) return Promise.resolve(this.#shift(into));
    if (this.#gotFin) return Promise.resolve(null);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    this.#read = { into, resolve, reject };
    return promise;
  }

  /** Writes all of `bytes`; concurrent writes go one after the other. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#ordered(() => this.#writeAll(bytes));
  }

  /** See {@linkcode Connection.writeInPlace}. */
  writeInPlace(buffer: Uint8Array): Promise<void> {
    return this.#ordered(() => this.#writeAllInPlace(buffer));
  }

  #ordered<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => {});
    return done;
  }

  closeWrite(): Promise<void> {
    const done = this.#writing.then(() => this.#finish());
    this.#writing = done;
    return done;
  }

  close(): void {
    if (this.#failure !== undefined) return this.#release(null);
    this.#failure = new Deno.errors.BadResource("Stream is closed");
    const flags = this.#gotFin ? 0 : Flag.Rst;
    this.#finish();
    if (flags !== 0) this.#host.sendWindow(this.id, 0, flags);
    this.#release(null);
  }

  /** The session has ended, or the peer has reset the stream. What was received stays readable. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#sentFin = true;
    this.#wake();
    this.#forget();
    this.#endRead();
  }

  /** @throws {YamuxError} The peer sent more than it may. */
  receive(bytes: Uint8Array): void {
    if (bytes.length > this.#credit) throw new YamuxError(`Stream ${this.id} exceeds its window`);
    this.#credit -= bytes.length;
    if (this.#failure !== undefined || this.#gotFin) return;
    const rest = bytes.subarray(this.#fillRead(bytes));
    if (rest.length === 0) return;
    if (this.#host.keep(rest.length)) return this.#kept.push(rest);
    this.#host.sendWindow(this.id, 0, Flag.Rst);
    this.fail(new Deno.errors.ConnectionReset("Too many bytes wait to be read"));
  }

  /** The peer sends nothing more. */
  receiveFin(): void {
    this.#gotFin = true;
    this.#endRead();
    if (this.#sentFin) this.#forget();
  }

  /** @throws {YamuxError} The window would pass what a header can say. */
  receiveWindow(delta: number): void {
    this.#sendWindow += delta;
    if (this.#sendWindow > 0xffffffff) {
      throw new YamuxError(`Window of stream ${this.id} overflows`);
    }
    if (delta > 0) this.#wake();
  }

  async #writeAll(bytes: Uint8Array): Promise<number> {
    let sent = 0;
    while (sent < bytes.length) {
      await this.#turn();
      const count = Math.min(bytes.length - sent, this.#sendWindow, MAX_CHUNK_BYTES);
      const taken = this.#host.sendData(this.id, bytes.subarray(sent, sent + count));
      this.#sendWindow -= taken;
      sent += taken;
    }
    return sent;
  }

  /** A header takes the place of bytes that were sent before it. */
  async #writeAllInPlace(buffer: Uint8Array): Promise<void> {
    for (let at = HEADER_BYTES; at < buffer.length;) {
      await this.#turn();
      const count = Math.min(buffer.length - at, this.#sendWindow, MAX_IN_PLACE_BYTES);
      const sending = this.#host.sendInPlace(
        this.id,
        buffer.subarray(at - HEADER_BYTES, at + count),
      );
      this.#sendWindow -= count;
      const taken = await sending;
      this.#sendWindow += count - taken;
      at += taken;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until a data frame may be sent, which must follow at once. @throws This stream cannot send any more. */
  async #turn(): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#sentFin) throw new Deno.errors.BrokenPipe("Stream is closed for writing");
      if (this.#sendWindow === 0) {
        await this.#window();
        continue;
      }
      await this.#host.room();
      if (!this.#sentFin && this.#failure === undefined) return;
      this.#host.passTurn();
    }
  }

  #window(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeWriter = resolve;
    return promise;
  }

  #wake(): void {
    this.#wakeWriter?.();
    this.#wakeWriter = undefined;
  }

  #finish(): void {
    if (this.#sentFin) return;
    this.#sentFin = true;
    this.#host.sendWindow(this.id, 0, Flag.Fin);
    this.#wake();
    if (this.#gotFin) this.#forget();
  }

  #release(result: null): void {
    this.#host.keep(-this.#kept.length);
    this.#kept.clear();
    this.#forget();
    this.#read?.resolve(result);
    this.#read = undefined;
  }

  #endRead(): void {
    const read = this.#read;
    this.#read = undefined;
    if (this.#gotFin) read?.resolve(null);
    else read?.reject(this.#failure);
  }

  /** Gives bytes to a waiting reader without keeping them. @returns How many. */
  #fillRead(bytes: Uint8Array): number {
    const read = this.#read;
    if (read === undefined) return 0;
    const count = Math.min(bytes.length, read.into.length);
    read.into.set(bytes.subarray(0, count));
    this.#read = undefined;
    this.#replenish();
    read.resolve(count);
    return count;
  }

  #shift(into: Uint8Array): number {
    const count = this.#kept.shift(into);
    this.#host.keep(-count);
    this.#replenish();
    return count;
  }

  /** Lets the peer send more once half the window is used; a reader that keeps up gets a larger one. */
  #replenish(): void {
    if (this.#gotFin || this.#failure !== undefined) return;
    const used = this.#receiveWindow - this.#credit - this.#kept.length;
    if (used < this.#receiveWindow / 2) return;
    if (this.#kept.length === 0) this.#widen();
    const delta = this.#receiveWindow - this.#credit - this.#kept.length;
    this.#credit += delta;
    this.#host.sendWindow(this.id, delta, 0);
  }

  #widen(): void {
    const more = Math.min(this.#receiveWindow, MAX_WINDOW_BYTES - this.#receiveWindow);
    if (more > 0 && this.#host.grow(more)) this.#receiveWindow += more;
  }

  /** Its id is free, and what was promised to it may be promised to others. */
  #forget(): void {
    this.#host.grow(INITIAL_WINDOW_BYTES - this.#receiveWindow);
    this.#receiveWindow = INITIAL_WINDOW_BYTES;
    this.#host.forget(this.id);
  }
}
