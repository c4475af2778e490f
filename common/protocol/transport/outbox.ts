import { type Connection, writeAll } from "./connection.ts";

/** Above this many waiting bytes the owner should stop producing. */
export const OUTBOX_LIMIT_BYTES = 8 * 1024 * 1024;

/** Frames are gathered up to this many bytes, so that a burst costs one write. */
const GATHER_BYTES = 64 * 1024;
/** Copying a frame this long costs more than a write of its own. */
const LONG_FRAME_BYTES = 16 * 1024;

/** What the owner of an {@linkcode Outbox} wants to hear. */
export interface OutboxEvents {
  /** The outbox was full and now has room. */
  onRoom(): void;
  /** A write failed; nothing more will be sent. */
  onBroken(error: unknown): void;
}

/**
 * Sends whole frames in order, one write at a time. A frame pushed while nothing is being
 * written goes out at once; those that come meanwhile are joined.
 */
export class Outbox {
  readonly #connection: Pick<Connection, "write">;
  readonly #events: OutboxEvents;
  readonly #limitBytes: number;
  readonly #idle: Array<() => void> = [];
  #gather: Uint8Array | undefined;
  #queue: Uint8Array[] = [];
  /** Frames whose sender waits until they are written. */
  readonly #waiters = new Map<Uint8Array, () => void>();
  #next = 0;
  #queuedBytes = 0;
  #writing = false;
  #broken = false;

  constructor(
    connection: Pick<Connection, "write">,
    events: OutboxEvents,
    limitBytes: number = OUTBOX_LIMIT_BYTES,
  ) {
    this.#connection = connection;
    this.#events = events;
    this.#limitBytes = limitBytes;
  }

  /** Bytes pushed and not yet taken by the connection. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** True when the owner should wait for `onRoom`. */
  get full(): boolean {
    return this.#queuedBytes >= this.#limitBytes;
  }

  /** Queues one frame. Never waits; frames after a failed write are dropped. */
  push(frame: Uint8Array): void {
    if (this.#broken) return;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (!this.#writing) void this.#run();
  }

  /** As {@linkcode push}. Resolves when the frame's bytes are no longer needed: they were written, or never will be. */
  pushAndWait(frame: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#broken) return Promise.resolve();
    this.#waiters.set(frame, resolve);
    this.push(frame);
    return promise;
  }

  /** Resolves once everything pushed so far has been written, or cannot be. */
  idle(): Promise<void> {
    if (!this.#writing) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle.push(resolve);
    return promise;
  }

  /** Forgets what is queued and sends nothing more. */
  stop(): void {
    this.#broken = true;
    this.#queue = [];
    this.#next = 0;
    this.#queuedBytes = 0;
    for (const wake of this.#waiters.values()) wake();
    this.#waiters.clear();
  }

  async #run(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#next < this.#queue.length) await this.#writeSome();
    } catch (error) {
      const wasBroken = this.#broken;
      this.stop();
      if (!wasBroken) this.#events.onBroken(error);
    } finally {
      this.#writing = false;
      for (const wake of this.#idle.splice(0)) wake();
    }
  }

  async #writeSome(): Promise<void> {
    const bytes = this.#take();
    await writeAll(this.#connection, bytes);
    if (this.#broken) return;
    this.#waiters.get(bytes)?.();
    this.#waiters.delete(bytes);
    const wasFull = this.full;
    this.#queuedBytes -= bytes.length;
    if (wasFull && !this.full) this.#events.onRoom();
  }

  /** The next bytes to write: one frame, or as many short ones as fit together. */
  #take(): Uint8Array {
    const first = this.#shift();
    const alone = first.length > LONG_FRAME_BYTES || this.#waiters.has(first);
    if (alone || !this.#fits(first.length)) return this.#trim(first);
    const gather = this.#gather ??= new Uint8Array(GATHER_BYTES);
    gather.set(first);
    let size = first.length;
    while (this.#fits(size)) {
      const frame = this.#shift();
      gather.set(frame, size);
      size += frame.length;
    }
    return this.#trim(gather.subarray(0, size));
  }

  /** Whether the next frame may join `size` bytes that are gathered already. */
  #fits(size: number): boolean {
    const next = this.#queue[this.#next];
    if (next === undefined || this.#waiters.has(next)) return false;
    return next.length <= LONG_FRAME_BYTES && size + next.length <= GATHER_BYTES;
  }

  #shift(): Uint8Array {
    const frame = this.#queue[this.#next] ?? new Uint8Array();
    this.#next++;
    return frame;
  }

  /** Frees the part of the queue that was taken, now and then rather than each time. */
  #trim(bytes: Uint8Array): Uint8Array {
    if (this.#next === this.#queue.length) {
      this.#queue = [];
      this.#next = 0;
    } else if (this.#next >= 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return bytes;
  }
}
