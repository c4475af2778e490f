/** The little of protobuf's wire format that the envelopes need. Source: protobuf.dev, "Encoding". */
import { Code, RuntimeError } from "../../base/errors.ts";

const decoder = new TextDecoder();
/** Up to this length an ASCII string is cheaper to build by hand than through TextDecoder. */
const SHORT_CHARS = 64;

/** Bytes that `value`, a whole number from 0 to 2^53 - 1, takes as a varint. */
export function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a whole number from 0 to 2^53 - 1. @returns The offset behind it. */
export function writeVarint(
  into: Uint8Array,
  at: number,
  value: number,
): number {
  let rest = value;
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[at++] = rest;
  return at;
}

/** Walks over the fields of one message. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** True at the end of the message. */
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** A signed 64-bit number, rounded beyond 2^53. */
  varint(): number {
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed("it ends inside a number");
      if (shift < 28) low += (byte & 0x7f) * 2 ** shift;
      else high += (byte & 0x7f) * 2 ** (shift - 28);
      if (byte < 0x80) return signed(low, high);
    }
    throw malformed("a number is longer than ten bytes");
  }

  /** The bytes of a length-delimited field, not copied. */
  bytes(): Uint8Array {
    const length = this.varint();
    const start = this.#at;
    if (length < 0 || length > this.#bytes.length - start) {
      throw malformed("a field is longer than the message");
    }
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** The text of a length-delimited field. */
  string(): string {
    const bytes = this.bytes();
    return (bytes.length <= SHORT_CHARS ? ascii(bytes) : undefined) ??
      decoder.decode(bytes);
  }

  /** Steps over the value of a field this code does not know. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else if (wireType === 2) this.bytes();
    else if (wireType === 1 || wireType === 5) {
      this.#at += wireType === 1 ? 8 : 4;
    } else throw malformed(`wire type ${wireType} is not in use`);
    if (this.#at > this.#bytes.length) {
      throw malformed("it ends inside a field");
    }
  }
}

/** Joins the low 28 bits and the 36 above them as a two's complement 64-bit number. */
function signed(low: number, high: number): number {
  const top = high % 2 ** 36;
  return low + (top >= 2 ** 35 ? top - 2 ** 36 : top) * 2 ** 28;
}

function ascii(bytes: Uint8Array): string | undefined {
  let text = "";
  for (const byte of bytes) {
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function malformed(why: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `Malformed ttrpc envelope: ${why}`,
  );
}
