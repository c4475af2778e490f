/** Where bytes come from: at least one a read, `null` at the end. */
export interface ByteSource {
  read(into: Uint8Array, signal?: AbortSignal): Promise<number | null>;
}

/** Where bytes go: all of them, or an error. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

const BUFFER_BYTES = 64 * 1024;

/**
 * Copies until the source ends; closes neither.
 * @param buffer What a single read may fill; 64 KiB, a pipe's size, when omitted.
 * @returns The number of bytes copied.
 * @throws The signal's reason, once aborted; a read that had begun on a source that ignores signals stays pending.
 * @throws What reading or writing throws.
 */
export async function copy(
  from: ByteSource,
  to: ByteSink,
  buffer: Uint8Array = new Uint8Array(BUFFER_BYTES),
  signal?: AbortSignal,
): Promise<number> {
  let total = 0;
  using aborted = abortion(signal);
  while (true) {
    signal?.throwIfAborted();
    const count = await aborted.orBefore(from.read(buffer, signal));
    signal?.throwIfAborted();
    if (count === null) return total;
    await aborted.orBefore(to.write(buffer.subarray(0, count)));
    total += count;
  }
}

interface Abortion extends Disposable {
  /** The promise, or the signal's reason if that comes first. */
  orBefore<T>(promise: Promise<T>): Promise<T>;
}

function abortion(signal?: AbortSignal): Abortion {
  if (!signal) return { orBefore: (promise) => promise, [Symbol.dispose]: () => {} };
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {}); // nobody may be racing against it when it comes
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  return {
    orBefore: (promise) => Promise.race([promise, aborted]),
    [Symbol.dispose]: () => signal.removeEventListener("abort", abort),
  };
}
