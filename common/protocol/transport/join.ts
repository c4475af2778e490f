import { closeQuietly, type Connection, writeAll } from "./connection.ts";

const BUFFER_BYTES = 64 * 1024;

async function pass(from: Connection, to: Connection): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, n));
  }
  await to.closeWrite();
}

/**
 * Passes bytes both ways until both sides have said all, or one of them fails; closes both.
 * @throws What the first failing side threw; the other is closed before.
 */
export async function joinConnections(one: Connection, other: Connection): Promise<void> {
  try {
    await Promise.all([pass(one, other), pass(other, one)]);
  } finally {
    closeQuietly(one);
    closeQuietly(other);
  }
}
