import { decodeHeader, FrameType, type Header, HEADER_BYTES } from "./frame.ts";

/** What a {@linkcode FrameParser} reports, in the order of arrival. */
export interface FrameEvents {
  /** A header is complete; a data frame's payload follows. */
  onHeader(header: Header): void;
  /** A piece of a data frame's payload; valid during the call only. */
  onData(streamId: number, bytes: Uint8Array): void;
  /** The last piece of a data frame was reported. */
  onDataEnd(header: Header): void;
}

/** Cuts bytes into yamux frames, keeping no more than one header. */
export class FrameParser {
  readonly #events: FrameEvents;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #have = 0;
  #data: Header | undefined;
  #left = 0;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** @throws {YamuxError} Not a yamux frame, or whatever an event handler throws. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at);
      at += this.#data === undefined ? this.#takeHeader(rest) : this.#takeData(this.#data, rest);
    }
  }

  #takeHeader(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, HEADER_BYTES - this.#have);
    this.#header.set(taken, this.#have);
    this.#have += taken.length;
    if (this.#have < HEADER_BYTES) return taken.length;
    this.#have = 0;
    const header = decodeHeader(this.#header);
    this.#events.onHeader(header);
    if (header.type === FrameType.Data) this.#beginData(header);
    return taken.length;
  }

  #beginData(header: Header): void {
    this.#left = header.length;
    if (this.#left === 0) this.#events.onDataEnd(header);
    else this.#data = header;
  }

  #takeData(header: Header, bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#left);
    this.#left -= taken.length;
    this.#events.onData(header.streamId, taken);
    if (this.#left > 0) return taken.length;
    this.#data = undefined;
    this.#events.onDataEnd(header);
    return taken.length;
  }
}
