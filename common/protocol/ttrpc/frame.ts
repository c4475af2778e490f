/**
 * ttrpc frames: a ten-byte header, then a payload.
 * Source: ttrpc PROTOCOL.md, "Message Frame".
 */

/** Bytes before each payload: length u32, stream u32, type u8, flags u8, all big-endian. */
export const HEADER_BYTES = 10;

/** Longest payload, in bytes; a longer one is skipped and answered with ResourceExhausted. */
export const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;

/** Room for one read; a frame that is longer gets a buffer of its own size. */
const SLAB_BYTES = 64 * 1024;

/** What a frame carries. Receivers ignore other values. */
export const FrameType = { Request: 1, Response: 2, Data: 3 } as const;

/** Bits of a frame's flags. */
export const Flag = {
  /** The sender sends nothing more on this stream. */
  RemoteClosed: 1,
  /** The sender sends data frames after this request. */
  RemoteOpen: 2,
  /** A data frame without a message, as opposed to an empty message. */
  NoData: 4,
} as const;

/** One frame as it was received. */
export interface Frame {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  /** Points into the decoder's buffer, which is never written again. Empty when `excess` is set. */
  readonly payload: Uint8Array;
  /** Announced length of a payload over {@linkcode MAX_PAYLOAD_BYTES}, which was skipped. */
  readonly excess?: number;
}

/** Writes a header at the start of `into`, for a payload of `length` bytes. */
export function writeHeader(
  into: Uint8Array,
  length: number,
  streamId: number,
  type: number,
  flags: number,
): void {
  writeUint32(into, 0, length);
  writeUint32(into, 4, streamId);
  into[8] = type;
  into[9] = flags;
}

/** A whole frame in one buffer. */
export function encodeFrame(frame: Omit<Frame, "excess">): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + frame.payload.length);
  writeHeader(
    bytes,
    frame.payload.length,
    frame.streamId,
    frame.type,
    frame.flags,
  );
  bytes.set(frame.payload, HEADER_BYTES);
  return bytes;
}

/**
 * Cuts a stream of bytes into frames, without copying payloads.
 * Read into {@linkcode FrameDecoder.space}, then tell {@linkcode FrameDecoder.filled} how much arrived.
 */
export class FrameDecoder {
  #buffer: Uint8Array = new Uint8Array(SLAB_BYTES);
  #start = 0;
  #end = 0;
  /** Bytes of an oversized payload still to be thrown away. */
  #skip = 0;
  #skipped: Frame | undefined;

  /** Where the next bytes belong; never empty. */
  space(): Uint8Array {
    const needed = this.#missing();
    if (this.#buffer.length - this.#end < needed) this.#grow(needed);
    return this.#buffer.subarray(this.#end);
  }

  /** Takes `count` bytes that were put at the start of {@linkcode space}. */
  filled(count: number): Frame[] {
    this.#end += count;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      frames.push(frame);
    }
    return frames;
  }

  /** Takes bytes from elsewhere, by copying them. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length;) {
      const space = this.space();
      const part = bytes.subarray(at, at + space.length);
      space.set(part);
      frames.push(...this.filled(part.length));
      at += part.length;
    }
    return frames;
  }

  /** True when a frame has begun and not ended: end of stream here is a fault. */
  get midFrame(): boolean {
    return this.#skipped !== undefined || this.#end > this.#start;
  }

  #next(): Frame | undefined {
    if (this.#skipped !== undefined) return this.#discard();
    if (this.#end - this.#start < HEADER_BYTES) return undefined;
    const length = readUint32(this.#buffer, this.#start);
    const bodyEnd = this.#start + HEADER_BYTES + length;
    if (length <= MAX_PAYLOAD_BYTES && this.#end < bodyEnd) return undefined;
    const frame = this.#header(length, bodyEnd);
    if (frame.excess === undefined) {
      this.#start = bodyEnd;
      return frame;
    }
    this.#start += HEADER_BYTES;
    this.#skip = length;
    this.#skipped = frame;
    return this.#discard();
  }

  #header(length: number, bodyEnd: number): Frame {
    const at = this.#start;
    const common = {
      streamId: readUint32(this.#buffer, at + 4),
      type: this.#buffer[at + 8] ?? 0,
      flags: this.#buffer[at + 9] ?? 0,
    };
    return length > MAX_PAYLOAD_BYTES ? { ...common, payload: new Uint8Array(), excess: length } : {
      ...common,
      payload: this.#buffer.subarray(at + HEADER_BYTES, bodyEnd),
    };
  }

  /** Drops bytes of an oversized payload; yields its frame once all are gone. */
  #discard(): Frame | undefined {
    const dropped = Math.min(this.#skip, this.#end - this.#start);
    this.#skip -= dropped;
    this.#start += dropped;
    if (this.#skip > 0) {
      this.#end = this.#start; // the same room serves for the rest
      return undefined;
    }
    const frame = this.#skipped;
    this.#skipped = undefined;
    return frame;
  }

  /** Bytes that must arrive before anything more can be decoded; at least one. */
  #missing(): number {
    if (this.#skipped !== undefined) return 1;
    const have = this.#end - this.#start;
    if (have < HEADER_BYTES) return HEADER_BYTES - have;
    return HEADER_BYTES + readUint32(this.#buffer, this.#start) - have;
  }

  /** Moves what is left to a new buffer: payloads handed out still point into the old one. */
  #grow(needed: number): void {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    const whole = rest.length + needed;
    this.#buffer = new Uint8Array(Math.max(SLAB_BYTES, whole));
    this.#buffer.set(rest);
    this.#start = 0;
    this.#end = rest.length;
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) * 0x1000000) +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0));
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
