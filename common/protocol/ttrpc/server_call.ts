import { Code, RuntimeError } from "../../base/errors.ts";
import { type Metadata, type RequestEnvelope } from "./envelope.ts";
import { MAX_TIMER_MS } from "./pending_call.ts";
import { type CallContext } from "./service.ts";

const NANOS_PER_MS = 1e6;

/** One call at work: what its handler sees, and the one answer it may give. */
export class ServerCall implements CallContext {
  readonly metadata: Metadata;
  readonly timeoutMs: number | undefined;
  readonly #answerError: (error: unknown) => void;
  #controller: AbortController | undefined;
  #timer: number | undefined;
  #aborted: unknown;
  #answered = false;

  /** @param answerError Sends a failure to the caller; used once at most. */
  constructor(request: RequestEnvelope, answerError: (error: unknown) => void) {
    this.metadata = request.metadata;
    this.#answerError = answerError;
    this.timeoutMs = request.timeoutNano === 0 ? undefined : request.timeoutNano / NANOS_PER_MS;
    if (this.timeoutMs !== undefined && this.timeoutMs <= MAX_TIMER_MS) {
      this.#timer = setTimeout(() => this.#expire(), this.timeoutMs);
    }
  }

  /** Made on first use: most handlers never look, and a signal costs more than a call. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    return this.#controller.signal;
  }

  /** Claims the right to answer. @returns False when the call was answered before. */
  finish(): boolean {
    clearTimeout(this.#timer);
    const first = !this.#answered;
    this.#answered = true;
    return first;
  }

  /** Answers with an error, unless the call was answered before. */
  fail(error: unknown): void {
    if (this.finish()) this.#answerError(error);
  }

  /** Tells the handler to stop; nothing is sent any more. */
  abort(reason: unknown): void {
    this.finish();
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  #expire(): void {
    const error = new RuntimeError(
      Code.DeadlineExceeded,
      `The call took longer than its ${this.timeoutMs} ms`,
    );
    this.fail(error);
    this.abort(error);
  }
}
