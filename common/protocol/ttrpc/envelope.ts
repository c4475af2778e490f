/**
 * ttrpc's Request and Response messages, encoded straight into frames and decoded without
 * copying the payload. They wrap every message, so they are written out by hand; the test
 * compares them with the generated code. Source: protos/ttrpc.proto.
 */
import { HEADER_BYTES, MAX_PAYLOAD_BYTES, writeHeader } from "./frame.ts";
import { Code, RuntimeError } from "../../base/errors.ts";
import { type Status } from "./status.ts";
import { Reader, sizeOfVarint, writeVarint } from "./wire.ts";

/** Values a caller sends along, such as its namespace; a key may repeat. */
export type Metadata = ReadonlyMap<string, readonly string[]>;

/** A request as received. */
export interface RequestEnvelope {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Nanoseconds left from now: 0 for no limit, negative when it is already too late. */
  readonly timeoutNano: number;
  readonly metadata: Metadata;
}

/** A response as received; without `status` it is a success. */
export interface ResponseEnvelope {
  readonly status: Status | undefined;
  readonly payload: Uint8Array;
}

const NO_METADATA: Metadata = new Map();
const NO_BYTES: Uint8Array = new Uint8Array();
const encoder = new TextEncoder();

/** Tags: field number << 3 | wire type (0 varint, 2 length-delimited). */
const Tag = {
  service: 0x0a,
  method: 0x12,
  payload: 0x1a,
  timeout: 0x20,
  metadata: 0x2a,
} as const;
const ResponseTag = { status: 0x0a, payload: 0x12 } as const;
const StatusTag = { code: 0x08, message: 0x12 } as const;

/** The part of a request that is the same for every call of one method. */
export function requestPrefix(service: string, method: string): Uint8Array {
  return concat([
    stringField(Tag.service, service),
    stringField(Tag.method, method),
  ]);
}

/** What varies from call to call. */
export interface RequestParts {
  readonly streamId: number;
  readonly flags: number;
  readonly prefix: Uint8Array;
  readonly payload: Uint8Array;
  /** Whole nanoseconds, 0 for none. */
  readonly timeoutNano: number;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** A request with its header in one buffer. @throws {RuntimeError} ResourceExhausted over 4 MiB. */
export function requestFrame(parts: RequestParts): Uint8Array {
  const metadata = parts.metadata === undefined ? NO_BYTES : encodeMetadata(parts.metadata);
  const { prefix, payload, timeoutNano } = parts;
  const timeoutSize = timeoutNano > 0 ? 1 + sizeOfVarint(timeoutNano) : 0;
  const frame = newFrame(
    prefix.length + sizeOfBytes(payload) + timeoutSize + metadata.length,
    parts.streamId,
    1,
    parts.flags,
  );
  frame.set(prefix, HEADER_BYTES);
  let at = writeBytes(
    frame,
    HEADER_BYTES + prefix.length,
    Tag.payload,
    payload,
  );
  if (timeoutSize > 0) {
    frame[at] = Tag.timeout;
    at = writeVarint(frame, at + 1, timeoutNano);
  }
  frame.set(metadata, at);
  return frame;
}

/** A successful response with its header in one buffer. @throws {RuntimeError} ResourceExhausted over 4 MiB. */
export function responseFrame(
  streamId: number,
  payload: Uint8Array,
): Uint8Array {
  const frame = newFrame(sizeOfBytes(payload), streamId, 2, 0);
  writeBytes(frame, HEADER_BYTES, ResponseTag.payload, payload);
  return frame;
}

/** A response that says why the call failed. */
export function statusFrame(streamId: number, status: Status): Uint8Array {
  const message = stringField(StatusTag.message, status.message);
  const body = concat([Uint8Array.of(StatusTag.code, status.code), message]);
  const frame = newFrame(sizeOfBytes(body), streamId, 2, 0);
  writeBytes(frame, HEADER_BYTES, ResponseTag.status, body);
  return frame;
}

/** @throws {RuntimeError} InvalidArgument: not a Request message. */
export function decodeRequest(bytes: Uint8Array): RequestEnvelope {
  const reader = new Reader(bytes);
  let service = "", method = "", timeoutNano = 0, payload = NO_BYTES;
  let metadata: Map<string, string[]> | undefined;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === Tag.service) service = reader.string();
    else if (tag === Tag.method) method = reader.string();
    else if (tag === Tag.payload) payload = reader.bytes();
    else if (tag === Tag.timeout) timeoutNano = reader.varint();
    else if (tag === Tag.metadata) {
      addPair(metadata ??= new Map(), reader.bytes());
    } else reader.skip(tag);
  }
  return {
    service,
    method,
    payload,
    timeoutNano,
    metadata: metadata ?? NO_METADATA,
  };
}

/** @throws {RuntimeError} InvalidArgument: not a Response message. */
export function decodeResponse(bytes: Uint8Array): ResponseEnvelope {
  const reader = new Reader(bytes);
  let status: Status | undefined, payload = NO_BYTES;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === ResponseTag.status) status = decodeStatus(reader.bytes());
    else if (tag === ResponseTag.payload) payload = reader.bytes();
    else reader.skip(tag);
  }
  return { status: status?.code === 0 ? undefined : status, payload };
}

function decodeStatus(bytes: Uint8Array): Status {
  const reader = new Reader(bytes);
  let code = 0, message = "";
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === StatusTag.code) code = reader.varint();
    else if (tag === StatusTag.message) message = reader.string();
    else reader.skip(tag);
  }
  return { code, message };
}

function addPair(metadata: Map<string, string[]>, bytes: Uint8Array): void {
  const reader = new Reader(bytes);
  let key = "", value = "";
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = reader.string();
    else reader.skip(tag);
  }
  const values = metadata.get(key);
  if (values === undefined) metadata.set(key, [value]);
  else values.push(value);
}

function encodeMetadata(metadata: Readonly<Record<string, string>>): Uint8Array {
  return concat(
    Object.entries(metadata).flatMap(([key, value]) => {
      const pair = concat([stringField(0x0a, key), stringField(0x12, value)]);
      // Unlike an empty string, an empty message in a list takes its place.
      return pair.length === 0
        ? [Uint8Array.of(Tag.metadata, 0)]
        : [bytesField(Tag.metadata, pair)];
    }),
  );
}

function newFrame(
  length: number,
  streamId: number,
  type: number,
  flags: number,
): Uint8Array {
  if (length > MAX_PAYLOAD_BYTES) {
    throw new RuntimeError(
      Code.ResourceExhausted,
      `Message of ${length} bytes is longer than ${MAX_PAYLOAD_BYTES}`,
    );
  }
  const frame = new Uint8Array(HEADER_BYTES + length);
  writeHeader(frame, length, streamId, type, flags);
  return frame;
}

/** proto3 leaves empty fields out. */
function sizeOfBytes(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + sizeOfVarint(bytes.length) + bytes.length;
}

function writeBytes(
  into: Uint8Array,
  at: number,
  tag: number,
  bytes: Uint8Array,
): number {
  if (bytes.length === 0) return at;
  into[at] = tag;
  const start = writeVarint(into, at + 1, bytes.length);
  into.set(bytes, start);
  return start + bytes.length;
}

function bytesField(tag: number, bytes: Uint8Array): Uint8Array {
  const field = new Uint8Array(sizeOfBytes(bytes));
  writeBytes(field, 0, tag, bytes);
  return field;
}

function stringField(tag: number, text: string): Uint8Array {
  return bytesField(tag, encoder.encode(text));
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
