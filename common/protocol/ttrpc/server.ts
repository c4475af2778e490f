import { Code, RuntimeError } from "../../base/errors.ts";
import { closeQuietly, type Connection } from "../transport/connection.ts";
import { decodeRequest, type RequestEnvelope, responseFrame, statusFrame } from "./envelope.ts";
import { type Frame, FrameDecoder, FrameType } from "./frame.ts";
import { Outbox, OUTBOX_LIMIT_BYTES } from "../transport/outbox.ts";
import { ServerCall } from "./server_call.ts";
import { type Handler, type Routes } from "./service.ts";
import { statusOf } from "./status.ts";

/** What one connection may make the server hold. */
export interface ServerLimits {
  /**
   * Calls at work at a time; more are answered ResourceExhausted rather than left unread,
   * because a call that ends the others (Kill ends Wait) must always get through.
   */
  readonly maxCalls: number;
  /** Bytes of requests at work; above it the server stops reading until some are done. */
  readonly maxRequestBytes: number;
  /** Bytes of answers that the peer has not read; above it the server stops reading. */
  readonly maxQueuedBytes: number;
  /** Milliseconds that {@linkcode TtrpcServer.serve} waits for answers to be read once told to stop. */
  readonly flushMs: number;
}

const DEFAULT_LIMITS: ServerLimits = {
  maxCalls: 16384,
  maxRequestBytes: 64 * 1024 * 1024,
  maxQueuedBytes: OUTBOX_LIMIT_BYTES,
  flushMs: 1000,
};

/** Answers ttrpc calls on any number of connections. */
export class TtrpcServer {
  readonly #routes: Routes;
  readonly #limits: ServerLimits;

  constructor(routes: Routes, limits: Partial<ServerLimits> = {}) {
    this.#routes = routes;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * Serves one connection, which it owns from now on. Handlers still at work when it ends are
   * told by their `context.signal`.
   * @returns When the peer has left, or, after `signal`, when the answers so far are sent: with
   * `undefined`, or the error of the read or write that failed. Never rejects.
   */
  serve(
    connection: Connection,
    signal?: AbortSignal,
  ): Promise<Error | undefined> {
    return new Session(connection, this.#routes, this.#limits).run(signal);
  }
}

class Session {
  readonly #connection: Connection;
  readonly #routes: Routes;
  readonly #limits: ServerLimits;
  readonly #outbox: Outbox;
  readonly #calls = new Set<ServerCall>();
  #requestBytes = 0;
  #lastStreamId = -1;
  #wakeReader: (() => void) | undefined;
  #failure: Error | undefined;
  #stopping = false;
  #ended = false;

  constructor(connection: Connection, routes: Routes, limits: ServerLimits) {
    this.#connection = connection;
    this.#routes = routes;
    this.#limits = limits;
    const events = {
      onRoom: () => this.#wake(),
      onBroken: (error: unknown) => this.#fail(error),
    };
    this.#outbox = new Outbox(connection, events, limits.maxQueuedBytes);
  }

  async run(signal: AbortSignal | undefined): Promise<Error | undefined> {
    let stopped = Promise.resolve();
    const stop = () => {
      stopped = this.#stop();
    };
    signal?.addEventListener("abort", stop);
    try {
      if (!signal?.aborted) await this.#read();
    } catch (error) {
      this.#fail(error);
    } finally {
      signal?.removeEventListener("abort", stop);
      await stopped;
      this.#end();
    }
    return this.#failure;
  }

  async #read(): Promise<void> {
    const decoder = new FrameDecoder();
    while (!this.#stopping) {
      const count = await this.#connection.read(decoder.space());
      if (count === null) return;
      for (const frame of decoder.filled(count)) {
        while (this.#crowded) await this.#room();
        if (this.#ended) return;
        this.#receive(frame);
      }
    }
  }

  get #crowded(): boolean {
    return !this.#ended &&
      (this.#outbox.full || this.#requestBytes > this.#limits.maxRequestBytes);
  }

  #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeReader = resolve;
    return promise;
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }

  /** Notes why the connection ended, unless it was this side's doing. */
  #fail(error: unknown): void {
    if (this.#ended || this.#stopping) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#end();
  }

  /** Sends the answers at hand, for a bounded time, then closes. */
  async #stop(): Promise<void> {
    this.#stopping = true;
    const late = setTimeout(() => this.#end(), this.#limits.flushMs);
    // A handler that has returned, perhaps the one that caused this, answers within this turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await this.#outbox.idle();
    clearTimeout(late);
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outbox.stop();
    closeQuietly(this.#connection);
    const gone = new RuntimeError(
      Code.Canceled,
      "The caller's connection is closed",
    );
    for (const call of this.#calls) call.abort(gone);
    this.#calls.clear();
    this.#wake();
  }

  #receive(frame: Frame): void {
    if (frame.type !== FrameType.Request && frame.type !== FrameType.Data) {
      return;
    }
    try {
      if (frame.streamId % 2 !== 1) {
        throw invalid(`Stream id ${frame.streamId} is not odd`);
      }
      if (frame.type === FrameType.Data) {
        throw invalid(`Stream ${frame.streamId} is not open`);
      }
      if (frame.streamId <= this.#lastStreamId) {
        throw invalid(`Stream id ${frame.streamId} does not rise`);
      }
      this.#lastStreamId = frame.streamId;
      this.#accept(frame);
    } catch (error) {
      this.#outbox.push(statusFrame(frame.streamId, statusOf(error)));
    }
  }

  #accept(frame: Frame): void {
    if (frame.excess !== undefined) {
      throw exhausted(`Request of ${frame.excess} bytes is too long`);
    }
    const request = decodeRequest(frame.payload);
    const handler = this.#routes.find(request.service, request.method);
    if (request.timeoutNano < 0) {
      throw new RuntimeError(
        Code.DeadlineExceeded,
        "The call's deadline has passed",
      );
    }
    if (this.#calls.size >= this.#limits.maxCalls) {
      throw exhausted(`${this.#calls.size} calls are at work already`);
    }
    void this.#handle(frame.streamId, request, handler);
  }

  async #handle(
    streamId: number,
    request: RequestEnvelope,
    handler: Handler,
  ): Promise<void> {
    const call = new ServerCall(
      request,
      (error) => this.#outbox.push(statusFrame(streamId, statusOf(error))),
    );
    const size = request.payload.length;
    this.#calls.add(call);
    this.#requestBytes += size;
    try {
      const frame = responseFrame(streamId, await handler(request.payload, call));
      if (call.finish()) this.#outbox.push(frame);
    } catch (error) {
      call.fail(error);
    } finally {
      this.#calls.delete(call);
      this.#requestBytes -= size;
      if (this.#wakeReader !== undefined && !this.#crowded) this.#wake();
    }
  }
}

function invalid(message: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, message);
}

function exhausted(message: string): RuntimeError {
  return new RuntimeError(Code.ResourceExhausted, message);
}
