import { Code, messageOf, RuntimeError } from "../../base/errors.ts";
import { closeQuietly, type Connection } from "../transport/connection.ts";
import { decodeResponse, requestFrame, requestPrefix } from "./envelope.ts";
import { type Frame, FrameDecoder, FrameType } from "./frame.ts";
import { Outbox } from "../transport/outbox.ts";
import { type CallOptions, PendingCall } from "./pending_call.ts";
import { errorOf } from "./status.ts";

export type { CallOptions } from "./pending_call.ts";

/** Highest stream id; the protocol reserves the top bit. */
const MAX_STREAM_ID = 0x7fffffff;

/** Calls services of the peer over one connection, any number at a time. */
export class TtrpcClient implements Disposable {
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #pending = new Map<number, PendingCall>();
  /** Calls that wait until the peer has read enough. */
  readonly #waiting = new Set<PendingCall>();
  readonly #prefixes = new Map<string, Map<string, Uint8Array>>();
  #streamId = -1;
  #failure: RuntimeError | undefined;

  /**
   * Resolves when the connection has ended: with `undefined` after a close by either side
   * between frames, otherwise with the error. Never rejects.
   */
  readonly closed: Promise<Error | undefined>;

  /** Takes ownership of the connection. */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.#outbox = new Outbox(connection, {
      onRoom: () => this.#sendWaiting(),
      onBroken: (error) => this.#end(error),
    });
    this.closed = this.#receive();
  }

  /**
   * Calls `method` with an encoded request.
   * @returns The encoded response.
   * @throws {RuntimeError} The peer's status; DeadlineExceeded after `timeoutMs`; Canceled when
   * `signal` aborts; Unavailable when the connection ends; ResourceExhausted over 4 MiB.
   */
  call(
    service: string,
    method: string,
    payload: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    if (this.#failure !== undefined) {
      return Promise.reject(this.#unavailable(this.#failure));
    }
    const call = new PendingCall(
      service,
      method,
      payload,
      options,
      () => this.#forget(call),
    );
    if (call.settled) return call.promise;
    if (this.#outbox.full) this.#waiting.add(call);
    else this.#send(call);
    return call.promise;
  }

  /** Ends the connection; pending calls reject with Unavailable. */
  close(): void {
    this.#end(undefined);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(call: PendingCall): void {
    if (this.#streamId + 2 > MAX_STREAM_ID) {
      return call.reject(
        new RuntimeError(
          Code.Unavailable,
          "The connection has used up its stream ids",
        ),
      );
    }
    const streamId = this.#streamId + 2;
    try {
      const prefix = this.#prefix(call.service, call.method);
      const { payload, timeoutNano, metadata } = call;
      const frame = requestFrame({
        streamId,
        flags: 0,
        prefix,
        payload,
        timeoutNano,
        metadata,
      });
      this.#streamId = call.streamId = streamId;
      this.#pending.set(streamId, call);
      this.#outbox.push(frame);
    } catch (error) {
      call.reject(error);
    }
  }

  #sendWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#outbox.full) return;
      this.#waiting.delete(call);
      this.#send(call);
    }
  }

  #forget(call: PendingCall): void {
    this.#waiting.delete(call);
    this.#pending.delete(call.streamId);
  }

  #prefix(service: string, method: string): Uint8Array {
    let methods = this.#prefixes.get(service);
    if (methods === undefined) this.#prefixes.set(service, methods = new Map());
    let prefix = methods.get(method);
    if (prefix === undefined) {
      methods.set(method, prefix = requestPrefix(service, method));
    }
    return prefix;
  }

  async #receive(): Promise<Error | undefined> {
    const decoder = new FrameDecoder();
    try {
      for (;;) {
        const count = await this.#connection.read(decoder.space());
        if (count === null) break;
        for (const frame of decoder.filled(count)) this.#deliver(frame);
      }
      this.#end(
        decoder.midFrame ? new Error("the peer closed inside a frame") : undefined,
      );
    } catch (error) {
      this.#end(error);
    }
    return this.#failure?.cause instanceof Error ? this.#failure.cause : undefined;
  }

  /** Hands a response to its call. Late ones, and types this client does not know, are dropped. */
  #deliver(frame: Frame): void {
    const call = frame.type === FrameType.Response ? this.#pending.get(frame.streamId) : undefined;
    if (call === undefined) return;
    if (frame.excess !== undefined) {
      return call.reject(
        new RuntimeError(
          Code.ResourceExhausted,
          `Response of ${frame.excess} bytes is too long`,
        ),
      );
    }
    try {
      const { status, payload } = decodeResponse(frame.payload);
      if (status === undefined) call.resolve(payload);
      else call.reject(errorOf(status));
    } catch (error) {
      call.reject(error);
    }
  }

  #end(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
    this.#failure = new RuntimeError(
      Code.Unavailable,
      `The ttrpc connection is closed${why}`,
      { cause },
    );
    this.#outbox.stop();
    closeQuietly(this.#connection);
    for (const call of [...this.#pending.values(), ...this.#waiting]) {
      call.reject(this.#unavailable(this.#failure));
    }
  }

  /** A fresh error for each call, so that each has its own stack. */
  #unavailable(failure: RuntimeError): RuntimeError {
    return new RuntimeError(Code.Unavailable, failure.message, {
      cause: failure.cause,
    });
  }
}
