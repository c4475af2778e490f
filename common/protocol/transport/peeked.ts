import type { Connection } from "./connection.ts";

/** A connection whose first byte was looked at, and is still the first to be read. */
export interface Peeked {
  /** `undefined` when the peer closed without a byte. */
  readonly first: number | undefined;
  readonly connection: Connection;
}

/** Waits for a connection's first byte. */
export async function peek(connection: Connection): Promise<Peeked> {
  const byte = new Uint8Array(1);
  const count = await connection.read(byte);
  if (count === null) return { first: undefined, connection };
  let pending: Uint8Array | undefined = byte;
  return {
    first: byte[0],
    connection: {
      read: (into) => {
        if (pending === undefined) return connection.read(into);
        into.set(pending);
        pending = undefined;
        return Promise.resolve(1);
      },
      write: (bytes) => connection.write(bytes),
      closeWrite: () => connection.closeWrite(),
      close: () => connection.close(),
    },
  };
}
