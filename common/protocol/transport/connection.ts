/** Room before the bytes that {@linkcode Connection.writeInPlace} is given. */
export const HEADROOM_BYTES = 12;

/**
 * A two-way stream of bytes. `Deno.Conn` and FdStream both have this shape.
 */
export interface Connection {
  /**
   * Reads at least one byte into `into`.
   * @returns The number of bytes read, or `null` once the peer has closed its side.
   */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some or all of `bytes`. @returns How many were taken; at least one. */
  write(bytes: Uint8Array): Promise<number>;
  /**
   * Writes all that follows the first {@linkcode HEADROOM_BYTES} of `buffer`, without a copy; absent where a plain write
   * makes none either. Until it resolves the buffer is the connection's, which overwrites what it has sent.
   */
  writeInPlace?(buffer: Uint8Array): Promise<void>;
  /** Tells the peer that no more bytes follow; reading goes on. */
  closeWrite(): Promise<void>;
  /** Frees the stream; a pending read or write ends, by rejecting or with `null`. */
  close(): void;
}

/** Writes every byte, however few each write takes. */
export async function writeAll(
  connection: Pick<Connection, "write">,
  bytes: Uint8Array,
): Promise<void> {
  let done = await connection.write(bytes);
  while (done < bytes.length) {
    done += await connection.write(bytes.subarray(done));
  }
}

/** Writes what follows the headroom of `buffer`, whose content is lost, in the way that costs least. */
export async function writeFramed(
  connection: Pick<Connection, "write" | "writeInPlace">,
  buffer: Uint8Array,
): Promise<void> {
  if (connection.writeInPlace) await connection.writeInPlace(buffer);
  else await writeAll(connection, buffer.subarray(HEADROOM_BYTES));
}

/** Closes a stream that may be closed already. Deno's own connections throw when closed twice. */
export function closeQuietly(connection: Pick<Connection, "close">): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
