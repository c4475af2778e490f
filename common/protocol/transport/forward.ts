/**
 * The line by which the host asks the agent for a connection to a port of the guest's localhost: `TCP <family> <port>`,
 * answered by `OK`, or by `NO <why>` and the end. Behind `OK` come the connection's own bytes.
 */
import { closeQuietly, type Connection, writeAll } from "./connection.ts";

/** The agent offers connections to the guest's localhost, on {@linkcode FORWARD_PORT}. */
export const FORWARD_FEATURE = "kata-deno/port-forward";
/** Where the agent listens for such requests. */
export const FORWARD_PORT = 1028;

/** Longest line of either side. */
const MAX_LINE_BYTES = 256;

/** What the host asks for. */
export interface ForwardRequest {
  /** The family that the caller on the host used; the guest tries it first. */
  readonly family: 4 | 6;
  readonly port: number;
}

export function requestLine({ family, port }: ForwardRequest): string {
  return `TCP ${family} ${port}\n`;
}

/** @returns `undefined`: no such line. */
export function parseRequestLine(line: string): ForwardRequest | undefined {
  const match = /^TCP ([46]) ([1-9]\d{0,4})$/.exec(line), port = Number(match?.[2]);
  if (!match || port > 65535) return undefined;
  return { family: match[1] === "6" ? 6 : 4, port };
}

/** Reads byte by byte up to a line's end, so that nothing behind it is taken. @returns `undefined`: none came. */
export async function readForwardLine(connection: Connection): Promise<string | undefined> {
  const line: number[] = [], byte = new Uint8Array(1);
  while (line.length < MAX_LINE_BYTES) {
    if (await connection.read(byte) === null) return undefined;
    if (byte[0] === 10) return new TextDecoder().decode(Uint8Array.from(line));
    line.push(byte[0] ?? 0);
  }
  return undefined;
}

/** Asks on a fresh connection to {@linkcode FORWARD_PORT}. @returns Whether somebody listens; closed otherwise. */
export async function askForward(
  connection: Connection,
  request: ForwardRequest,
): Promise<boolean> {
  await writeAll(connection, new TextEncoder().encode(requestLine(request)));
  if (await readForwardLine(connection) === "OK") return true;
  closeQuietly(connection);
  return false;
}
