/** Netlink's messages and attributes. Source: linux/netlink.h, netlink(7). */

/** struct nlmsghdr and struct nlattr. */
const HEADER_BYTES = 16, ATTRIBUTE_HEADER_BYTES = 4;
/** Upper bits of an attribute's type say that it is nested, or in network byte order. */
const TYPE_MASK = 0x3fff;
export const NLA_F_NESTED = 0x8000;

/** A message that came in. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}

/** Bytes that are not what netlink's rules allow. */
export class NetlinkFormatError extends Error {
  override readonly name = "NetlinkFormatError";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function aligned(length: number): number {
  return (length + 3) & ~3;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Joins parts, each padded to four bytes. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0, at = 0;
  for (const part of parts) length += aligned(part.length);
  const whole = new Uint8Array(length);
  for (const part of parts) {
    whole.set(part, at);
    at += aligned(part.length);
  }
  return whole;
}

/** A whole message. */
export function netlinkMessage(
  { type, flags, sequence, body }: NetlinkMessage,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** The messages of one datagram. @throws {NetlinkFormatError} A length leads out of it. */
export function parseMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at < HEADER_BYTES ? 0 : view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) {
      throw new NetlinkFormatError(`A message of ${length} bytes at ${at} of ${bytes.length}`);
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** One attribute. */
export function attribute(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ATTRIBUTE_HEADER_BYTES + value.length);
  writeHeader(bytes, type);
  bytes.set(value, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

/** Byte by byte: there may be thousands of routes, and a view of each attribute costs more than all else. */
function writeHeader(bytes: Uint8Array, type: number): void {
  bytes[0] = bytes.length & 0xff;
  bytes[1] = bytes.length >> 8;
  bytes[2] = type & 0xff;
  bytes[3] = type >> 8;
}

/** An attribute that holds others. */
export function nested(type: number, ...inner: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return attribute(type | NLA_F_NESTED, joined(...inner));
}

export function u32Attribute(type: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ATTRIBUTE_HEADER_BYTES + 4);
  writeHeader(bytes, type);
  bytes[4] = value & 0xff;
  bytes[5] = (value >>> 8) & 0xff;
  bytes[6] = (value >>> 16) & 0xff;
  bytes[7] = value >>> 24;
  return bytes;
}

export function textAttribute(type: number, value: string): Uint8Array<ArrayBuffer> {
  return attribute(type, encoder.encode(`${value}\0`));
}

/** Four bytes in the host's order, which is little-endian wherever Deno runs. */
export function u32(...values: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** The attributes in order; a type may repeat. @throws {NetlinkFormatError} A length leads out of the bytes. */
export function parseAttributeList(bytes: Uint8Array): { type: number; value: Uint8Array }[] {
  const list: { type: number; value: Uint8Array }[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at < ATTRIBUTE_HEADER_BYTES ? 0 : view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) {
      throw new NetlinkFormatError(`An attribute of ${length} bytes at ${at} of ${bytes.length}`);
    }
    list.push({
      type: view.getUint16(at + 2, true) & TYPE_MASK,
      value: bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return list;
}

/** Attributes by type, read with defaults for those that are absent or too short. */
export class Attributes {
  readonly #values: ReadonlyMap<number, Uint8Array>;

  /** @throws {NetlinkFormatError} */
  constructor(bytes: Uint8Array) {
    this.#values = new Map(parseAttributeList(bytes).map(({ type, value }) => [type, value]));
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#values.get(type);
  }

  u32(type: number): number | undefined {
    const value = this.#values.get(type);
    return value && value.length >= 4 ? viewOf(value).getUint32(0, true) : undefined;
  }

  u8(type: number): number | undefined {
    return this.#values.get(type)?.[0];
  }

  /** Text up to its NUL. */
  text(type: number): string | undefined {
    const value = this.#values.get(type);
    if (!value) return undefined;
    const end = value.indexOf(0);
    return decoder.decode(end === -1 ? value : value.subarray(0, end));
  }

  /** @throws {NetlinkFormatError} */
  nested(type: number): Attributes {
    return new Attributes(this.#values.get(type) ?? new Uint8Array());
  }
}
