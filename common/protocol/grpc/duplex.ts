import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { closeQuietly, type Connection, writeAll } from "../transport/connection.ts";

const READ_BYTES = 64 * 1024;

/** A connection as node's HTTP/2 wants it. Owns the connection. */
export function duplexOf(connection: Connection): Duplex {
  return new Duplex({
    read() {
      const into = new Uint8Array(READ_BYTES);
      connection.read(into).then(
        (count) => this.push(count === null ? null : Buffer.from(into.buffer, 0, count)),
        (error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(connection, bytes).then(() => done(), done);
    },
    final(done) {
      connection.closeWrite().then(() => done(), () => done()); // the peer has left: nobody to tell
    },
    destroy(error, done) {
      closeQuietly(connection);
      done(error);
    },
  });
}
