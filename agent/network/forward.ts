/** Connections that the host makes to the guest's localhost. */
import { messageOf } from "../../common/base/errors.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";
import {
  type ForwardRequest,
  parseRequestLine,
  readForwardLine,
} from "../../common/protocol/transport/forward.ts";
import { joinConnections } from "../../common/protocol/transport/join.ts";

/** How long the host may take to say what it wants. */
const REQUEST_MS = 10_000;
/** What is told of a failure. */
const MAX_REASON = 200;

const LOCALHOST = { 4: "127.0.0.1", 6: "::1" } as const;

/** Whoever listens on either family is meant by "localhost". @throws Why the last try failed. */
async function connectLocalhost({ family, port }: ForwardRequest): Promise<Deno.TcpConn> {
  const other = family === 4 ? 6 : 4;
  return await Deno.connect({ hostname: LOCALHOST[family], port })
    .catch(() => Deno.connect({ hostname: LOCALHOST[other], port }));
}

/** Serves one such connection to its end. Never throws: what goes wrong ends it. */
export async function serveForward(connection: Connection): Promise<void> {
  const late = setTimeout(() => closeQuietly(connection), REQUEST_MS);
  try {
    const request = parseRequestLine(await readForwardLine(connection) ?? "");
    clearTimeout(late);
    if (!request) return await refuse(connection, "not a request");
    const local = await connectLocalhost(request);
    await writeAll(connection, new TextEncoder().encode("OK\n"));
    await joinConnections(connection, local);
  } catch (error) {
    await refuse(connection, messageOf(error));
  } finally {
    clearTimeout(late);
  }
}

/** A connection that has begun already is not harmed by it: it has been closed. */
async function refuse(connection: Connection, reason: string): Promise<void> {
  const line = `NO ${reason.replaceAll("\n", " ").slice(0, MAX_REASON)}\n`;
  await writeAll(connection, new TextEncoder().encode(line)).catch(() => {}); // the host has left
  closeQuietly(connection);
}
