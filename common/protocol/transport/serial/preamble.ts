/**
 * How both ends of a serial channel agree where a session begins, whatever bytes an earlier
 * one left behind. The host sends the preamble, {@linkcode MAGIC} and a random id. The guest
 * looks for it all the time, drops the session it had and sends the same preamble back. The
 * host throws away everything before that. yamux frames follow in both directions.
 *
 * So that no payload is taken for a preamble, the host cuts frames that would contain the
 * magic (a header then stands in its middle), and sends an empty window update behind a frame
 * that ends with the beginning of it (so that the guest need not wait for the next byte).
 */
import { encodeFrame, FrameType, HEADER_BYTES } from "../yamux/frame.ts";
import { type FrameShape } from "../yamux/session.ts";

/**
 * Begins a preamble. No byte occurs twice, so a search never has to step back; none is 0, so
 * it cannot lie inside a yamux header.
 */
export const MAGIC: Uint8Array = Uint8Array.of(
  0xf5,
  0x4b,
  0x61,
  0x74,
  0xc1,
  0x2d,
  0x73,
  0x65,
  0x72,
  0xfe,
  0x69,
  0x6c,
  0x9a,
  0xd7,
  0x0d,
  0x0a,
);

/** Bytes of a session's id. */
export const ID_BYTES = 16;

/** The bytes that begin session `id`. */
export function encodePreamble(id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MAGIC.length + ID_BYTES);
  bytes.set(MAGIC);
  bytes.set(id, MAGIC.length);
  return bytes;
}

/** What a {@linkcode PreambleScanner} finds, in order. */
export interface PreambleEvents {
  /** Bytes of the session at hand. */
  onBytes(bytes: Uint8Array): void;
  /** A session begins. */
  onSession(id: Uint8Array): void;
}

/** Divides a stream of bytes at its preambles. Holds back what may be the beginning of one. */
export class PreambleScanner {
  readonly #events: PreambleEvents;
  readonly #id = new Uint8Array(ID_BYTES);
  /** Bytes of the preamble seen so far: of the magic, then of the id. */
  #matched = 0;

  constructor(events: PreambleEvents) {
    this.#events = events;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#matched === 0) at = this.#search(bytes, at);
      else if (this.#matched < MAGIC.length) at = this.#continue(bytes, at);
      else at = this.#readId(bytes, at);
    }
  }

  /** Passes bytes on up to the next place where a preamble is possible. */
  #search(bytes: Uint8Array, from: number): number {
    const whole = indexOfMagic(bytes, from);
    const at = whole === -1 ? indexOfMagicCutOff(bytes, from) : whole;
    const end = at === -1 ? bytes.length : at;
    if (end > from) this.#events.onBytes(bytes.subarray(from, end));
    if (at === -1) return end;
    this.#matched = matchLength(bytes, at);
    return at + this.#matched;
  }

  #continue(bytes: Uint8Array, from: number): number {
    let at = from;
    while (
      at < bytes.length && this.#matched < MAGIC.length && bytes[at] === MAGIC[this.#matched]
    ) {
      this.#matched++;
      at++;
    }
    if (this.#matched < MAGIC.length && at < bytes.length) {
      this.#events.onBytes(MAGIC.subarray(0, this.#matched));
      this.#matched = 0;
    }
    return at;
  }

  #readId(bytes: Uint8Array, from: number): number {
    const have = this.#matched - MAGIC.length;
    const taken = bytes.subarray(from, from + ID_BYTES - have);
    this.#id.set(taken, have);
    this.#matched += taken.length;
    if (this.#matched === MAGIC.length + ID_BYTES) {
      this.#matched = 0;
      this.#events.onSession(this.#id.slice());
    }
    return from + taken.length;
  }
}

/** Keeps the magic out of the frames that the host sends. */
export const preambleFreeShape: FrameShape = {
  cut(frame) {
    const at = indexOfMagic(frame);
    const length = frame.length - HEADER_BYTES;
    return at === -1 ? length : Math.max(at - HEADER_BYTES, 0) + MAGIC.length / 2;
  },
  follow(streamId, frame) {
    if (indexOfMagicCutOff(frame) === -1) return undefined;
    return encodeFrame({ type: FrameType.WindowUpdate, flags: 0, streamId, length: 0 });
  },
};

/** How many bytes from `at` on agree with the magic. */
function matchLength(bytes: Uint8Array, at: number): number {
  let length = 0;
  while (
    length < MAGIC.length && at + length < bytes.length && bytes[at + length] === MAGIC[length]
  ) length++;
  return length;
}

/**
 * How far the magic's end may move on when this byte stands there: for a byte of the magic, up to its place in it.
 * Source: R. N. Horspool, "Practical fast searching in strings" (1980).
 */
const SKIP = new Uint8Array(256).fill(MAGIC.length);
MAGIC.subarray(0, -1).forEach((byte, at) => SKIP[byte] = MAGIC.length - 1 - at);

/** Looks at one byte in sixteen, where `indexOf` looks at each: every byte from the host passes through here. */
function indexOfMagic(bytes: Uint8Array, from = 0): number {
  const last = MAGIC.length - 1;
  for (let end = from + last; end < bytes.length; end += SKIP[bytes[end] ?? 0] ?? 1) {
    if (bytes[end] === MAGIC[last] && matchLength(bytes, end - last) === MAGIC.length) {
      return end - last;
    }
  }
  return -1;
}

/** Where a beginning of the magic stands that the end of `bytes` cuts off, or -1. */
function indexOfMagicCutOff(bytes: Uint8Array, from = 0): number {
  for (let at = Math.max(from, bytes.length - MAGIC.length + 1); at < bytes.length; at++) {
    if (at + matchLength(bytes, at) === bytes.length) return at;
  }
  return -1;
}
