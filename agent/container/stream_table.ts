/** Connections that the host made for the stdio of processes, waiting to be claimed by number. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";

/** `STREAM 4294967295\n` and a little. */
const MAX_LINE_BYTES = 32;
const GREETING_TIMEOUT_MS = 10_000;
/** How long a connection waits for the request that names it. */
const CLAIM_TIMEOUT_MS = 60_000;
/** How long a request waits for the connection that it names. */
const ARRIVAL_TIMEOUT_MS = 10_000;
const MAX_WAITING = 1024;

interface Waiting {
  readonly connection: Connection;
  readonly timer: number;
}

export class StreamTable {
  readonly #waiting = new Map<number, Waiting>();
  readonly #claims = new Map<number, (connection: Connection) => void>();

  /** Takes a fresh connection: greets, then keeps it until {@linkcode claim} or too late. Never throws. */
  async accept(connection: Connection): Promise<void> {
    const late = setTimeout(() => closeQuietly(connection), GREETING_TIMEOUT_MS);
    try {
      const number = await readGreeting(connection);
      this.#checkFree(number);
      await writeAll(connection, new TextEncoder().encode("OK\n"));
      this.#keep(number, connection);
    } catch (error) {
      log.warn("refused a stream connection", { error: messageOf(error) });
      closeQuietly(connection);
    } finally {
      clearTimeout(late);
    }
  }

  /**
   * The connection with this number, which becomes the caller's.
   * @throws {RuntimeError} DeadlineExceeded when the host never made it.
   */
  async claim(number: number): Promise<Connection> {
    const waiting = this.#waiting.get(number);
    if (waiting) {
      this.#waiting.delete(number);
      clearTimeout(waiting.timer);
      return waiting.connection;
    }
    if (this.#claims.has(number)) throw inUse(number);
    return await this.#arrival(number);
  }

  #arrival(number: number): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const timer = setTimeout(() => {
      this.#claims.delete(number);
      reject(
        new RuntimeError(
          Code.DeadlineExceeded,
          `Stream ${number} was not connected within ${ARRIVAL_TIMEOUT_MS} ms`,
        ),
      );
    }, ARRIVAL_TIMEOUT_MS);
    this.#claims.set(number, (connection) => {
      clearTimeout(timer);
      this.#claims.delete(number);
      resolve(connection);
    });
    return promise;
  }

  #checkFree(number: number): void {
    if (this.#waiting.has(number)) throw inUse(number);
    if (this.#waiting.size < MAX_WAITING) return;
    throw new RuntimeError(
      Code.ResourceExhausted,
      `${MAX_WAITING} streams are waiting already`,
    );
  }

  #keep(number: number, connection: Connection): void {
    const claim = this.#claims.get(number);
    if (claim) return claim(connection);
    const timer = setTimeout(() => {
      this.#waiting.delete(number);
      log.warn("closed a stream that no request named", { stream: number });
      closeQuietly(connection);
    }, CLAIM_TIMEOUT_MS);
    this.#waiting.set(number, { connection, timer });
  }

  /** Closes every connection that still waits. */
  close(): void {
    for (const { connection, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      closeQuietly(connection);
    }
    this.#waiting.clear();
  }
}

function inUse(number: number): RuntimeError {
  return new RuntimeError(
    Code.AlreadyExists,
    `Stream ${number} is in use already`,
  );
}

/** Byte by byte, so that nothing of the payload behind the line is taken. */
async function readGreeting(connection: Connection): Promise<number> {
  const line: number[] = [];
  const byte = new Uint8Array(1);
  while (line.length < MAX_LINE_BYTES) {
    if (await connection.read(byte) === null) break;
    if (byte[0] === 10) return parseGreeting(String.fromCharCode(...line));
    line.push(byte[0] ?? 0);
  }
  throw new RuntimeError(Code.InvalidArgument, "No STREAM line came");
}

/** @throws {RuntimeError} InvalidArgument unless the line is `STREAM ` and a number from 1 to 2^32-1. */
export function parseGreeting(line: string): number {
  const digits = /^STREAM ([1-9][0-9]{0,9})$/.exec(line)?.[1];
  const number = Number(digits);
  if (digits !== undefined && number <= 0xffff_ffff) return number;
  throw new RuntimeError(
    Code.InvalidArgument,
    `${JSON.stringify(line)} is not a STREAM line`,
  );
}
