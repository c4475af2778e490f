/** The input of a process: the agent's end of its pipe, or its terminal. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { FdStream } from "../../common/linux/fd_stream.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";

const PUMP_BYTES = 256 * 1024;

export class Input implements Disposable {
  readonly #sink: FdStream;
  readonly #terminal: boolean;
  #writes: Promise<unknown> = Promise.resolve();
  #connection: Connection | undefined;
  #closed = false;

  /** @param terminal The sink is a terminal, which has no end of input of its own and stays open. */
  constructor(sink: FdStream, terminal: boolean) {
    this.#sink = sink;
    this.#terminal = terminal;
  }

  /**
   * Writes all bytes after those of earlier calls.
   * @throws {RuntimeError} FailedPrecondition once the input is closed.
   * @throws {SyscallError} EPIPE once nobody reads.
   */
  write(bytes: Uint8Array): Promise<number> {
    const next = this.#writes.then(() => this.#writeNow(bytes));
    this.#writes = next.catch(() => {});
    return next;
  }

  #writeNow(bytes: Uint8Array): Promise<number> {
    if (this.#closed) {
      throw new RuntimeError(Code.FailedPrecondition, "stdin is closed");
    }
    return this.#sink.write(bytes);
  }

  /** Ends the input after the bytes written so far; the process reads end of file. */
  async end(): Promise<void> {
    await this.#writes;
    if (!this.#terminal) this.#closeSink();
  }

  /** Carries everything from `connection`, whose end becomes the input's end. Takes ownership; returns at once. */
  pumpFrom(connection: Connection): void {
    this.#connection = connection;
    this.#pump(connection).catch((error: unknown) => {
      // Either side may go at any time: the process by exiting, the host by failing.
      if (!this.#closed) {
        log.debug("an input ended early", { error: messageOf(error) });
      }
      this.#closeSink();
    }).finally(() => this.#closeConnection());
  }

  async #pump(connection: Connection): Promise<void> {
    const buffer = new Uint8Array(PUMP_BYTES);
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) break;
      await this.write(buffer.subarray(0, count));
    }
    await this.end();
  }

  #closeSink(): void {
    if (this.#closed || this.#terminal) return;
    this.#closed = true;
    this.#sink.close();
  }

  #closeConnection(): void {
    if (this.#connection) closeQuietly(this.#connection);
    this.#connection = undefined;
  }

  close(): void {
    this.#closeSink();
    this.#closed = true;
    this.#closeConnection();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
