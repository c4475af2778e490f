import { closeQuietly, type Connection } from "../connection.ts";
import { Outbox } from "../outbox.ts";
import {
  encodeFrame,
  encodeHeader,
  Flag,
  FrameType,
  GoAway,
  type Header,
  HEADER_BYTES,
  INITIAL_WINDOW_BYTES,
  YamuxError,
} from "./frame.ts";
import { FrameParser } from "./parser.ts";
import { type StreamHost, YamuxStream } from "./stream.ts";

/** Above this many queued bytes streams wait before they queue more data. */
const HIGH_WATER_BYTES = 256 * 1024;

/** More than this only piles up when the peer asks for answers and reads none. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** What a peer may make one session hold. */
export interface SessionLimits {
  /** Streams open at a time; further ones are reset. */
  readonly maxStreams: number;
  /** Bytes received and not yet read, over all streams; beyond it the stream at hand is reset. */
  readonly maxKeptBytes: number;
}

/** What a session needs to know; `onStream` makes it accept streams. */
export interface SessionOptions {
  /** The dialing side numbers its streams 1, 3, 5 and so on; the accepting side opens none. */
  readonly onStream?: (stream: YamuxStream) => void;
  readonly limits?: Partial<SessionLimits>;
  /** Shapes frames on their way out, for carriers that give bytes a meaning of their own. */
  readonly shape?: FrameShape;
}

/** See {@linkcode SessionOptions.shape}. */
export interface FrameShape {
  /** How many bytes of a data frame's payload may travel, at least one: asked again until it cuts no more. */
  cut(frame: Uint8Array): number;
  /** A frame that must follow `frame`, if any. */
  follow(streamId: number, frame: Uint8Array): Uint8Array | undefined;
}

const MAX_STREAMS = 1024;

/** Of {@linkcode SessionLimits.maxKeptBytes}, what may be promised to streams that keep up, as larger windows. */
const GROWTH_SHARE = 1 / 5;

/** An honest peer is never past what all streams together were promised, though nobody reads any of them. */
const DEFAULT_LIMITS: SessionLimits = {
  maxStreams: MAX_STREAMS,
  maxKeptBytes: MAX_STREAMS * INITIAL_WINDOW_BYTES / (1 - GROWTH_SHARE),
};

/** Many streams over one connection, which the session owns. Bytes come in through `receive`. */
export class YamuxSession implements StreamHost {
  readonly #carrier: Pick<Connection, "write">;
  readonly #options: SessionOptions;
  readonly #limits: SessionLimits;
  readonly #outbox: Outbox;
  readonly #streams = new Map<number, YamuxStream>();
  readonly #parser: FrameParser;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  /** Streams that wait to send, in order. */
  readonly #turns: Array<() => void> = [];
  #lastId = -1;
  #keptBytes = 0;
  #grownBytes = 0;
  #ended = false;

  /** @param carrier Where frames are written; the owner of the carrier closes it. */
  constructor(carrier: Pick<Connection, "write">, options: SessionOptions = {}) {
    this.#carrier = carrier;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#parser = new FrameParser({
      onHeader: (header) => this.#onHeader(header),
      onData: (streamId, bytes) => this.#streams.get(streamId)?.receive(bytes),
      onDataEnd: (header) => this.#onFlags(header),
    });
    this.#outbox = new Outbox(this.#carrier, {
      onRoom: () => this.passTurn(),
      onBroken: (error) => this.end(error instanceof Error ? error : new Error(String(error))),
    }, HIGH_WATER_BYTES);
  }

  /** Resolves with the reason once the session has ended. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** Opens a stream; it can be written at once. @throws {Error} Too many are open, or the session has ended. */
  open(): YamuxStream {
    if (this.#ended) throw new Deno.errors.ConnectionReset("The session has ended");
    if (this.#streams.size >= this.#limits.maxStreams) {
      throw new YamuxError(`${this.#streams.size} streams are open`);
    }
    this.#lastId += 2;
    const stream = new YamuxStream(this.#lastId, this);
    this.#streams.set(stream.id, stream);
    this.sendWindow(stream.id, 0, Flag.Syn);
    return stream;
  }

  /** Takes bytes from the carrier. A peer that breaks the protocol ends the session, never throws. */
  receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      if (!(error instanceof YamuxError)) throw error;
      this.#push({ type: FrameType.GoAway, flags: 0, streamId: 0, length: GoAway.ProtocolError });
      this.end(error);
    }
  }

  /** Ends every stream. */
  end(reason?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    const error = new Deno.errors.ConnectionReset("The session has ended", { cause: reason });
    for (const stream of [...this.#streams.values()]) stream.fail(error);
    this.#outbox.stop();
    for (const wake of this.#turns.splice(0)) wake();
    this.#closed.resolve(reason);
  }

  /** Resolves when no frame is half written any more; of use after `end`. */
  flushed(): Promise<void> {
    return this.#outbox.idle();
  }

  sendData(streamId: number, bytes: Uint8Array): number {
    const frame = encodeFrame(
      { type: FrameType.Data, flags: 0, streamId, length: bytes.length },
      bytes,
    );
    const { length, sending } = this.#shaped(streamId, frame);
    this.#send(streamId, sending);
    this.passTurn();
    return length;
  }

  async sendInPlace(streamId: number, frame: Uint8Array): Promise<number> {
    const { length, sending } = this.#shaped(streamId, frame);
    const next = this.#options.shape?.follow(streamId, sending);
    const sent = this.#outbox.pushAndWait(sending);
    if (next !== undefined) this.#outbox.push(next);
    this.passTurn();
    await sent;
    return length;
  }

  sendWindow(streamId: number, delta: number, flags: number): void {
    this.#push({ type: FrameType.WindowUpdate, flags, streamId, length: delta });
  }

  room(): Promise<void> | undefined {
    if (!this.#outbox.full && this.#turns.length === 0) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turns.push(resolve);
    return promise;
  }

  /** Wakes the stream that waits longest; it sends one frame, which wakes the next, or passes. */
  passTurn(): void {
    if (!this.#outbox.full) this.#turns.shift()?.();
  }

  keep(bytes: number): boolean {
    if (bytes > 0 && this.#keptBytes + bytes > this.#limits.maxKeptBytes) return false;
    this.#keptBytes += bytes;
    return true;
  }

  grow(bytes: number): boolean {
    if (this.#grownBytes + bytes > this.#limits.maxKeptBytes * GROWTH_SHARE) return false;
    this.#grownBytes += bytes;
    return true;
  }

  forget(streamId: number): void {
    this.#streams.delete(streamId);
  }

  /** Writes the header, cutting the frame where its carrier wants that. */
  #shaped(streamId: number, frame: Uint8Array): { length: number; sending: Uint8Array } {
    const { shape } = this.#options;
    let length = frame.length - HEADER_BYTES;
    encodeHeader({ type: FrameType.Data, flags: 0, streamId, length }, frame);
    for (
      let cut;
      (cut = shape?.cut(frame.subarray(0, HEADER_BYTES + length)) ?? length) < length;
    ) {
      length = cut;
      encodeHeader({ type: FrameType.Data, flags: 0, streamId, length }, frame);
    }
    return { length, sending: frame.subarray(0, HEADER_BYTES + length) };
  }

  #send(streamId: number, frame: Uint8Array): void {
    this.#outbox.push(frame);
    const next = this.#options.shape?.follow(streamId, frame);
    if (next !== undefined) this.#outbox.push(next);
  }

  /** Queues a frame without data. Such frames answer the peer, so it must read to get more. */
  #push(header: Header): void {
    if (this.#ended) return;
    this.#send(header.streamId, encodeFrame(header));
    if (this.#outbox.queuedBytes > MAX_QUEUED_BYTES) {
      this.end(new YamuxError("The peer does not read"));
    }
  }

  #onHeader(header: Header): void {
    switch (header.type) {
      case FrameType.Ping:
        return this.#onPing(header);
      case FrameType.GoAway:
        return this.end(
          header.length === GoAway.Normal
            ? undefined
            : new YamuxError(`Peer ended the session: ${header.length}`),
        );
      default:
        return this.#onStreamHeader(header);
    }
  }

  #onPing(header: Header): void {
    if (header.flags & Flag.Syn) this.#push({ ...header, flags: Flag.Ack });
  }

  #onStreamHeader(header: Header): void {
    if (header.flags & Flag.Syn) this.#accept(header.streamId);
    if (header.type !== FrameType.WindowUpdate) return;
    this.#streams.get(header.streamId)?.receiveWindow(header.length);
    this.#onFlags(header);
  }

  /** Acts on the flags that close a stream: behind a data frame's payload, so that none is lost. */
  #onFlags(header: Header): void {
    const stream = this.#streams.get(header.streamId);
    if (stream === undefined) return;
    if (header.flags & Flag.Fin) stream.receiveFin();
    if (header.flags & Flag.Rst) {
      stream.fail(new Deno.errors.ConnectionReset("The peer reset the stream"));
    }
  }

  #accept(streamId: number): void {
    const { onStream } = this.#options;
    if (onStream === undefined || streamId % 2 !== 1 || streamId <= this.#lastId) {
      throw new YamuxError(`Stream ${streamId} may not be opened`);
    }
    this.#lastId = streamId;
    if (this.#streams.size >= this.#limits.maxStreams) {
      return this.sendWindow(streamId, 0, Flag.Rst);
    }
    const stream = new YamuxStream(streamId, this);
    this.#streams.set(streamId, stream);
    this.sendWindow(streamId, 0, Flag.Ack);
    onStream(stream);
  }
}

const PUMP_BYTES = 256 * 1024;

/** Feeds a session from its connection until either ends, then closes both. */
export async function pump(session: YamuxSession, connection: Connection): Promise<void> {
  const buffer = new Uint8Array(PUMP_BYTES);
  void session.closed.then(() => closeQuietly(connection));
  try {
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) break;
      session.receive(buffer.subarray(0, count));
    }
    session.end();
  } catch (error) {
    session.end(error instanceof Error ? error : new Error(String(error)));
  }
}
