import { Code, messageOf, RuntimeError } from "../../base/errors.ts";

/**
 * Wait between attempts, in milliseconds. The kernel reports no event when a guest starts to
 * listen, so this is the one place that has to ask again: at once at first, since a clone
 * answers within milliseconds, and at most 20 times a second later.
 */
const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 50;

/** Why an attempt failed, when another may succeed. */
export class NotYet extends Error {
  override readonly name = "NotYet";
}

/**
 * Repeats `attempt` while it throws {@linkcode NotYet}.
 * @param what Names the aim in messages: `Cannot ${what}: ...`.
 * @param longestWaitMs Between attempts, once the first ones have failed.
 * @throws {RuntimeError} `signal` aborted: the code of its reason, DeadlineExceeded for a time
 * limit, otherwise Canceled; the message tells what the last attempt met.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  what: string,
  signal: AbortSignal,
  longestWaitMs = LONGEST_WAIT_MS,
): Promise<T> {
  let last: unknown = "no attempt was made";
  for (let waitMs = FIRST_WAIT_MS;; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
    if (signal.aborted) throw givenUp(what, last, signal);
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw givenUp(what, last, signal);
      if (!(error instanceof NotYet)) {
        throw new RuntimeError(Code.Unavailable, `Cannot ${what}: ${messageOf(error)}`, {
          cause: error,
        });
      }
      last = error;
    }
    await pause(waitMs, signal);
  }
}

/** Waits, but no longer than `signal` allows. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = () => resolve();
  signal.addEventListener("abort", wake);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  });
}

function givenUp(what: string, last: unknown, signal: AbortSignal): RuntimeError {
  return new RuntimeError(codeOfReason(signal.reason), `Cannot ${what}: ${messageOf(last)}`, {
    cause: signal.reason,
  });
}

function codeOfReason(reason: unknown): Code {
  if (reason instanceof RuntimeError) return reason.code;
  const timedOut = reason instanceof DOMException && reason.name === "TimeoutError";
  return timedOut ? Code.DeadlineExceeded : Code.Canceled;
}
