/**
 * yamux frames: many streams over one connection.
 * Source: hashicorp/yamux, spec.md.
 */

/** Bytes of a header: version u8, type u8, flags u16, stream u32, length u32, big-endian. */
export const HEADER_BYTES = 12;

/** What the length of a header counts. */
export const FrameType = {
  /** Bytes of payload that follow. */
  Data: 0,
  /** Bytes the receiver may send in addition. */
  WindowUpdate: 1,
  /** Nothing: an opaque value to send back. */
  Ping: 2,
  /** Nothing: the reason for ending the session. */
  GoAway: 3,
} as const;

/** Bits of a header's flags. */
export const Flag = {
  /** Opens the stream. */
  Syn: 1,
  /** Accepts the stream, or answers a ping. */
  Ack: 2,
  /** The sender sends nothing more on the stream. */
  Fin: 4,
  /** The stream is gone at once. */
  Rst: 8,
} as const;

/** Reasons in a GoAway frame. */
export const GoAway = { Normal: 0, ProtocolError: 1, InternalError: 2 } as const;

/** What each side may send on a new stream before it is told more. */
export const INITIAL_WINDOW_BYTES = 256 * 1024;

/** A decoded header. */
export interface Header {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly length: number;
}

/** The peer broke the protocol: the session cannot go on. */
export class YamuxError extends Error {
  override readonly name = "YamuxError";
}

/** A frame with room for its header and `payload`. */
export function encodeFrame(header: Header, payload?: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + (payload?.length ?? 0));
  encodeHeader(header, frame);
  if (payload !== undefined) frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Writes the header into the first bytes of `into`. */
export function encodeHeader(header: Header, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, HEADER_BYTES);
  view.setUint16(0, header.type); // and version 0 before it
  view.setUint16(2, header.flags);
  view.setUint32(4, header.streamId);
  view.setUint32(8, header.length);
}

/** @throws {YamuxError} Another version, an unknown type, or flags that are not defined. */
export function decodeHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const header = {
    type: view.getUint8(1),
    flags: view.getUint16(2),
    streamId: view.getUint32(4),
    length: view.getUint32(8),
  };
  if (view.getUint8(0) !== 0) throw new YamuxError(`Version ${view.getUint8(0)} is not 0`);
  if (header.type > FrameType.GoAway) throw new YamuxError(`Frame type ${header.type} is unknown`);
  if (header.flags > 0xf) throw new YamuxError(`Flags ${header.flags} are unknown`);
  return header;
}
