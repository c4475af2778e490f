/** Connections that the host makes to the guest's localhost, and the one by which it answers look-ups. */
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
import { parseNamesLine } from "../../common/protocol/transport/names.ts";

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
    const line = await readForwardLine(connection) ?? "";
    clearTimeout(late);
    const server = parseNamesLine(line), request = parseRequestLine(line);
    if (server) return await serveNamesAt(connection, server);
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

/** Few pods need it, so its code is loaded then. */
async function serveNamesAt(connection: Connection, server: Uint8Array): Promise<void> {
  const { serveNames } = await import("./names.ts");
  await serveNames(connection, server);
}

/** A connection that has begun already is not harmed by it: it has been closed. */
async function refuse(connection: Connection, reason: string): Promise<void> {
  const line = `NO ${reason.replaceAll("\n", " ").slice(0, MAX_REASON)}\n`;
  await writeAll(connection, new TextEncoder().encode(line)).catch(() => {}); // the host has left
  closeQuietly(connection);
}
