/**
 * Look-ups of names that go from the guest to a name server at a loopback address of the pod's namespace on the host,
 * as Docker has one. The host asks on a connection to FORWARD_PORT: `DNS <address>`, answered by `OK` once the agent
 * listens there, or by `NO <why>` and the end. Behind `OK` the guest sends questions and the host answers, each
 * message behind its length in two bytes. Source of that: RFC 1035, section 4.2.2.
 */
import { parseIp } from "../../linux/ip_address.ts";
import { type Connection, writeAll } from "./connection.ts";

/** The agent listens for look-ups and passes them to the host. */
export const NAMES_FEATURE = "kata-deno/names";
/** Where name servers listen. */
export const NAMES_PORT = 53;
/** Longest message, in bytes: the length has no room for more. */
export const MAX_MESSAGE_BYTES = 65_535;
/** What each message begins with: its id, flags and four counts. */
const HEADER_BYTES = 12;
const LENGTH_BYTES = 2;

export function namesLine(address: string): string {
  return `DNS ${address}\n`;
}

/** @returns The address to listen on; `undefined`: no such line, or not of 127.0.0.0/8. */
export function parseNamesLine(line: string): Uint8Array | undefined {
  const match = /^DNS (127\.[\d.]+)$/.exec(line);
  return match?.[1] === undefined ? undefined : parseIp(match[1]);
}

/** Whether it can be a message at all. */
export function isMessage(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && bytes.length <= MAX_MESSAGE_BYTES;
}

/** Sends one message. Calls must not overlap. */
export async function writeMessage(
  connection: Pick<Connection, "write">,
  message: Uint8Array,
): Promise<void> {
  const bytes = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(bytes.buffer).setUint16(0, message.length, false);
  bytes.set(message, LENGTH_BYTES);
  await writeAll(connection, bytes);
}

/** @returns The next message; `undefined`: the peer has ended. */
export async function readMessage(
  connection: Pick<Connection, "read">,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const length = await readExactly(connection, LENGTH_BYTES);
  if (!length) return undefined;
  return await readExactly(connection, new DataView(length.buffer).getUint16(0, false));
}

async function readExactly(
  connection: Pick<Connection, "read">,
  length: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await connection.read(bytes.subarray(done));
    if (count === null) return undefined;
    done += count;
  }
  return bytes;
}
