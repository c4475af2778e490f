/**
 * The line that names a port: "CONNECT <port>\n", answered by "OK <number>\n" when the guest
 * listens there, and by closing the stream when it does not.
 * Source: Firecracker's docs/vsock.md, "Host-Initiated Connections".
 */
import { closeQuietly, type Connection, writeAll } from "./connection.ts";
import { NotYet } from "./retry.ts";

/** Longest line either side sends; ports have at most ten digits. */
const MAX_LINE_BYTES = 32;

/** Milliseconds until an unanswered CONNECT is tried anew: a VMM may lose it while the guest boots. */
const ANSWER_MS = 2000;

const encoder = new TextEncoder();

/**
 * Asks for `port` on a fresh connection, which is closed unless this succeeds.
 * @throws {NotYet} Nobody listens there, or no answer came in time.
 * @throws {Error} The answer is not of this protocol.
 */
export async function requestPort(
  connection: Connection,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  using limit = closeWhen(connection, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
  try {
    await writeAll(connection, encoder.encode(`CONNECT ${port}\n`));
    const line = await readLine(connection);
    if (line === undefined) throw new NotYet("nobody listens there");
    if (!/^OK \d+$/.test(line)) throw new Error(`CONNECT was answered ${JSON.stringify(line)}`);
    limit.done();
  } catch (error) {
    closeQuietly(connection);
    throw limit.expired || isGone(error)
      ? new NotYet("no answer to CONNECT", { cause: error })
      : error;
  }
}

/**
 * Reads the port that a fresh connection asks for.
 * @returns `undefined` when the peer left or did not ask in time.
 * @throws {Error} The line is not of this protocol.
 */
export async function readPort(connection: Connection): Promise<number | undefined> {
  using limit = closeWhen(connection, AbortSignal.timeout(ANSWER_MS));
  const line = await readLine(connection);
  if (line === undefined) return undefined;
  const match = /^CONNECT (\d{1,10})$/.exec(line);
  const port = Number(match?.[1]);
  if (match === null || port > 0xffffffff) {
    throw new Error(`Not a CONNECT line: ${JSON.stringify(line)}`);
  }
  limit.done();
  return port;
}

/** Tells the peer that its stream now belongs to `port`. */
export async function confirmPort(connection: Connection, port: number): Promise<void> {
  await writeAll(connection, encoder.encode(`OK ${port}\n`));
}

/**
 * Reads up to a newline, one byte at a time since what follows is not ours.
 * @returns The line without it, or `undefined` when the peer closed before.
 * @throws {Error} The line is longer than `maxBytes`, 32 unless given.
 */
export async function readLine(
  connection: Connection,
  maxBytes = MAX_LINE_BYTES,
): Promise<string | undefined> {
  const byte = new Uint8Array(1);
  let line = "";
  while (line.length < maxBytes) {
    if (await connection.read(byte) === null) return undefined;
    const char = String.fromCharCode(byte[0] ?? 0);
    if (char === "\n") return line;
    line += char;
  }
  throw new Error(`Line is longer than ${maxBytes} bytes: ${JSON.stringify(line)}`);
}

/** The peer went away: what a bridge does when the guest refuses. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Error && "code" in error &&
      (error.code === "ECONNRESET" || error.code === "EPIPE");
}

interface Limit extends Disposable {
  readonly expired: boolean;
  done(): void;
}

/** Closes the connection when the signal aborts, which ends a pending read, until disposed. */
function closeWhen(connection: Connection, signal: AbortSignal): Limit {
  let expired = false;
  const close = () => {
    expired = true;
    closeQuietly(connection);
  };
  const done = () => signal.removeEventListener("abort", close);
  if (signal.aborted) close();
  else signal.addEventListener("abort", close);
  return {
    get expired() {
      return expired;
    },
    done,
    [Symbol.dispose]: done,
  };
}
