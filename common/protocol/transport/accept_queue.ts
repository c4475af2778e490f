import { type Connection } from "./connection.ts";

/** Connections that may wait to be taken; further ones are closed. */
const MAX_WAITING = 256;

/** Connections of one port, for a `for await` loop. */
export class AcceptQueue implements AsyncIterable<Connection> {
  readonly #waiting: Connection[] = [];
  #wake = Promise.withResolvers<void>();
  #closed = false;

  /** Hands over a connection. @returns False when nobody takes it; it stays the caller's. */
  push(connection: Connection): boolean {
    if (this.#closed || this.#waiting.length >= MAX_WAITING) return false;
    this.#waiting.push(connection);
    this.#wake.resolve();
    return true;
  }

  /** Ends the loop and closes what nobody took. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#waiting.splice(0)) connection.close();
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void> {
    for (;;) {
      const connection = this.#waiting.shift();
      if (connection !== undefined) yield connection;
      else if (this.#closed) return;
      else await this.#next();
    }
  }

  async #next(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers<void>();
    if (this.#closed || this.#waiting.length > 0) this.#wake.resolve();
  }
}
