import { Code, RuntimeError } from "../../base/errors.ts";

/** How one call may differ from the usual. */
export interface CallOptions {
  /** Milliseconds until the call fails, here and at the peer; none when left out. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up. ttrpc cannot tell the peer: a late reply is dropped. */
  readonly signal?: AbortSignal | undefined;
  /** Values for the peer's handler, for example `containerd-namespace-ttrpc`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Timers cannot wait longer than this; a longer limit is left to the peer. */
export const MAX_TIMER_MS = 0x7fffffff;

const NANOS_PER_MS = 1e6;

/** One call that awaits its response. Settles once; after that it owns nothing. */
export class PendingCall {
  readonly promise: Promise<Uint8Array>;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly #options: CallOptions;
  readonly #onSettled: () => void;
  readonly #resolve: (payload: Uint8Array) => void;
  readonly #reject: (error: unknown) => void;
  #timer: number | undefined;
  #onAbort: (() => void) | undefined;
  /** Assigned when the request is sent. */
  streamId = 0;
  settled = false;

  constructor(
    service: string,
    method: string,
    payload: Uint8Array,
    options: CallOptions,
    onSettled: () => void,
  ) {
    this.service = service;
    this.method = method;
    this.payload = payload;
    this.#options = options;
    this.#onSettled = onSettled;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#limit();
  }

  get metadata(): Readonly<Record<string, string>> | undefined {
    return this.#options.metadata;
  }

  /** The limit as it travels: whole nanoseconds, 0 for none. */
  get timeoutNano(): number {
    const nanos = Math.ceil((this.#options.timeoutMs ?? 0) * NANOS_PER_MS);
    return Math.min(nanos, Number.MAX_SAFE_INTEGER);
  }

  resolve(payload: Uint8Array): void {
    if (this.#settle()) this.#resolve(payload);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.#timer);
    if (this.#onAbort !== undefined) {
      this.#options.signal?.removeEventListener("abort", this.#onAbort);
    }
    if (this.streamId !== 0) this.#onSettled();
    else queueMicrotask(this.#onSettled);
    return true;
  }

  #limit(): void {
    const { timeoutMs, signal } = this.#options;
    if (signal?.aborted) return this.#cancel(signal);
    if (timeoutMs !== undefined && timeoutMs <= 0) {
      return this.#expire(timeoutMs);
    }
    if (timeoutMs !== undefined && timeoutMs <= MAX_TIMER_MS) {
      this.#timer = setTimeout(() => this.#expire(timeoutMs), timeoutMs);
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.#cancel(signal);
      signal.addEventListener("abort", this.#onAbort);
    }
  }

  #expire(timeoutMs: number): void {
    this.reject(
      new RuntimeError(
        Code.DeadlineExceeded,
        `${this.service}/${this.method} took longer than ${timeoutMs} ms`,
      ),
    );
  }

  #cancel(signal: AbortSignal): void {
    this.reject(
      new RuntimeError(
        Code.Canceled,
        `${this.service}/${this.method} was given up`,
        { cause: signal.reason },
      ),
    );
  }
}
