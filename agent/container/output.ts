/** One output of a process: the agent's end of its pipe, or its terminal. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import type { FdStream } from "../../common/linux/fd_stream.ts";
import {
  closeQuietly,
  type Connection,
  HEADROOM_BYTES,
  writeFramed,
} from "../../common/protocol/transport/connection.ts";

const PUMP_BYTES = 256 * 1024;
/** Most that one Read call answers with, below ttrpc's 4 MiB. */
const MAX_READ_BYTES = 1024 * 1024;
/** After the exit, silence this long means that only a child left behind holds the pipe. */
const QUIET_MS = 500;
/** After the exit, the host gets this long to take what was written. */
const DRAIN_TIMEOUT_MS = 10_000;

/**
 * Either pumped to a connection ({@linkcode Output.pumpTo}) or read by calls ({@linkcode Output.read}). Nothing is
 * buffered: where nobody takes the bytes, the process blocks on its pipe.
 */
export class Output implements Disposable {
  readonly #source: FdStream;
  readonly #ended = Promise.withResolvers<void>();
  #phase: "idle" | "writing" | "ended" = "idle";
  #since = 0;
  #pumped = false;
  #reads: Promise<unknown> = Promise.resolve();

  constructor(source: FdStream) {
    this.#source = source;
  }

  /** Resolves once the last holder closed the other end, or {@linkcode close} was called. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Carries everything to `connection`, and closes that at the end. Takes ownership; returns at once. */
  pumpTo(connection: Connection): void {
    this.#pumped = true;
    this.#pump(connection).catch((error: unknown) => {
      log.error("an output failed", { error: messageOf(error) });
      this.close();
    });
  }

  async #pump(connection: Connection): Promise<void> {
    const buffer = new Uint8Array(PUMP_BYTES);
    const payload = buffer.subarray(HEADROOM_BYTES);
    let open = true;
    for (;;) {
      const count = await this.#source.read(payload);
      if (count === null) break;
      this.#enter("writing");
      // A host that went away must not stop the process: the rest goes nowhere.
      open = open && await delivered(connection, buffer.subarray(0, HEADROOM_BYTES + count));
      this.#enter("idle");
    }
    if (open) await finish(connection);
    else closeQuietly(connection);
    this.close();
  }

  /** Reads and drops everything, for an output that the host does not want. */
  discard(): void {
    const nowhere: Connection = {
      read: () => Promise.resolve(null),
      write: (bytes) => Promise.resolve(bytes.length),
      closeWrite: () => Promise.resolve(),
      close: () => {},
    };
    this.pumpTo(nowhere);
  }

  /**
   * The next bytes, at most `max` of them; waits for the first. Calls are answered in order.
   * @throws {RuntimeError} OutOfRange "read meet eof" at the end, which is how Kata's host knows it.
   */
  read(max: number): Promise<Uint8Array> {
    const next = this.#reads.then(() => this.#readOnce(max));
    this.#reads = next.catch(() => {});
    return next;
  }

  async #readOnce(max: number): Promise<Uint8Array> {
    const wanted = Math.max(1, Math.min(max, MAX_READ_BYTES));
    const buffer = new Uint8Array(wanted);
    const count = this.#phase === "ended" ? null : await this.#source.read(buffer);
    if (count === null) {
      this.close();
      throw new RuntimeError(Code.OutOfRange, "read meet eof");
    }
    this.#enter("idle");
    return buffer.subarray(0, count);
  }

  #enter(phase: "idle" | "writing"): void {
    if (this.#phase === "ended") return;
    this.#phase = phase;
    this.#since = monotonicMs();
  }

  /**
   * To be called after the process's exit: resolves when its output was passed on. A child left behind that keeps
   * the pipe open does not hold this up for longer than its silence, nor does a host that does not read. What calls
   * have not read yet stays in the pipe, so for them there is nothing to wait for.
   */
  async drained(): Promise<void> {
    if (!this.#pumped) return;
    const end = monotonicMs() + DRAIN_TIMEOUT_MS;
    this.#since = monotonicMs();
    let left = QUIET_MS;
    while (left > 0 && this.#phase !== "ended") {
      await this.#endedWithin(left);
      const now = monotonicMs();
      left = Math.min(this.#busy() ? QUIET_MS : this.#since + QUIET_MS - now, end - now);
    }
  }

  /** Bytes are on their way, or lie in the pipe since this program, or its whole machine, was held up. */
  #busy(): boolean {
    return this.#phase === "writing" || this.#phase === "idle" && this.#source.hasBytes;
  }

  async #endedWithin(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, Math.ceil(ms));
    await Promise.race([this.ended, late.promise]);
    clearTimeout(timer);
  }

  close(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#source.close();
    this.#ended.resolve();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function delivered(to: Connection, framed: Uint8Array): Promise<boolean> {
  try {
    await writeFramed(to, framed);
    return true;
  } catch (error) {
    log.warn("the host left an output stream", { error: messageOf(error) });
    return false;
  }
}

async function finish(connection: Connection): Promise<void> {
  try {
    await connection.closeWrite();
  } catch (error) {
    log.warn("the host left an output stream", { error: messageOf(error) });
  } finally {
    closeQuietly(connection);
  }
}
