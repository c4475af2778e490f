/** gRPC's unary calls over any connection. Source: gRPC over HTTP2, PROTOCOL-HTTP2.md. */
import { Buffer } from "node:buffer";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { Code, messageOf, RuntimeError } from "../../base/errors.ts";
import type { Connection } from "../transport/connection.ts";
import type { CallOptions } from "../ttrpc/pending_call.ts";
import type { Caller } from "../ttrpc/service.ts";
import { duplexOf } from "./duplex.ts";
import { requireGrpc } from "./support.ts";

/** Longest answer, as ttrpc's. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Compressed or not, and the length. */
const PREFIX_BYTES = 5;

type Headers = Record<string, string | string[] | number | undefined>;

/** The client's end of one connection. */
export class GrpcCaller implements Caller, Disposable {
  readonly #session: ClientHttp2Session;
  /** Resolves, never rejects, with the cause when the connection is over. */
  readonly closed: Promise<Error | undefined>;

  /** @throws {RuntimeError} Unimplemented: this Deno cannot. */
  constructor(connection: Connection) {
    requireGrpc();
    const duplex = duplexOf(connection);
    this.#session = connect("http://agent", { createConnection: () => duplex });
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#session.once("error", resolve);
    this.#session.once("close", () => resolve(undefined));
  }

  /** @throws {RuntimeError} With the server's code; DeadlineExceeded, Unavailable, ResourceExhausted. */
  async call(
    service: string,
    method: string,
    payload: Uint8Array,
    { timeoutMs, signal }: CallOptions = {},
  ): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const path = `/${service}/${method}`;
    const stream = this.#open(path, timeoutMs);
    const abort = (): void => stream.close(constants.NGHTTP2_CANCEL);
    const late = timeoutMs === undefined ? undefined : setTimeout(abort, timeoutMs);
    signal?.addEventListener("abort", abort);
    try {
      stream.end(framed(payload));
      return await answerOf(stream, path);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
    }
  }

  close(): void {
    this.#session.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(path: string, timeoutMs: number | undefined): ClientHttp2Stream {
    try {
      return this.#session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        "te": "trailers",
        ...(timeoutMs === undefined
          ? {}
          : { "grpc-timeout": `${Math.max(1, Math.ceil(timeoutMs))}m` }),
      });
    } catch (cause) {
      const text = `Cannot call ${path}: ${messageOf(cause)}`;
      throw new RuntimeError(Code.Unavailable, text, { cause });
    }
  }
}

function framed(payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + payload.length);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, PREFIX_BYTES);
  return frame;
}

function answerOf(stream: ClientHttp2Stream, path: string): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const pieces: Uint8Array[] = [];
  let length = 0;
  let status: Headers = {};
  stream.on("response", (headers: Headers) => status = headers);
  stream.on("trailers", (headers: Headers) => status = headers);
  stream.on("data", (bytes: Uint8Array) => {
    length += bytes.length;
    if (length <= PREFIX_BYTES + MAX_MESSAGE_BYTES) pieces.push(bytes);
    else stream.close(constants.NGHTTP2_CANCEL);
  });
  stream.on("error", (cause: Error) =>
    reject(
      new RuntimeError(Code.Unavailable, `The peer failed at ${path}: ${messageOf(cause)}`, {
        cause,
      }),
    ));
  stream.on("close", () => {
    try {
      resolve(message(pieces, length, status, path));
    } catch (error) {
      reject(error);
    }
  });
  return promise;
}

function message(
  pieces: readonly Uint8Array[],
  length: number,
  status: Headers,
  path: string,
): Uint8Array {
  const fail = (code: Code, why: string): never => {
    throw new RuntimeError(code, `${path}: ${why}`);
  };
  if (length > PREFIX_BYTES + MAX_MESSAGE_BYTES) {
    fail(Code.ResourceExhausted, `an answer of over ${MAX_MESSAGE_BYTES} bytes`);
  }
  const code = Number(status["grpc-status"] ?? NaN);
  if (Number.isNaN(code)) fail(Code.DeadlineExceeded, "no answer in time");
  if (code !== 0) fail(codeIn(code), decodeURIComponent(String(status["grpc-message"] ?? "")));
  const bytes = Buffer.concat(pieces);
  const whole = bytes.length >= PREFIX_BYTES && bytes[0] === 0 &&
    bytes.readUInt32BE(1) === bytes.length - PREFIX_BYTES;
  if (!whole) fail(Code.DataLoss, "the answer is no message");
  return new Uint8Array(bytes.subarray(PREFIX_BYTES));
}

/** A peer's number, made one of ours. */
function codeIn(code: number): Code {
  return Object.values(Code).find((known) => known === code) ?? Code.Unknown;
}
