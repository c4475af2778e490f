import { Code, RuntimeError } from "./errors.ts";

/**
 * Waits for a promise, but not longer than `ms`.
 * @param work A promise, or what makes one; its signal aborts at the deadline and with `signal`, so that it can stop.
 * @param what Begins the message: `${what} took longer than ${ms} ms`.
 * @throws {RuntimeError} DeadlineExceeded.
 * @throws What the work throws, or the signal's reason once that is aborted.
 */
export async function withDeadline<T>(
  work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  ms: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (reason: unknown): void => {
    reject(reason);
    controller.abort(reason);
  };
  const abort = (): void => stop(signal?.reason);
  const tooLate = (): void =>
    stop(new RuntimeError(Code.DeadlineExceeded, `${what} took longer than ${ms} ms`));
  const timer = setTimeout(tooLate, Math.min(ms, MAX_TIMER_MS));
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) abort();
    const promise = typeof work === "function" ? begin(work, controller.signal) : work;
    return await Promise.race([stopped, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** Longer timers fire at once: their milliseconds are a 32-bit int. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Work must not begin when nobody waits for it any more. */
async function begin<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  return await work(signal);
}
