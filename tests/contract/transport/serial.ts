import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../../common/protocol/transport/connection.ts";
import { SerialDialer } from "../../../common/protocol/transport/serial/dialer.ts";
import { SerialListener } from "../../../common/protocol/transport/serial/listener.ts";
import { type Fixture, type Transport } from "./fixture.ts";

/** The serial channel between a fake of QEMU's chardev socket and our own guest side. */
export const serial: Transport = { name: "serial", start };

async function start(): Promise<Fixture> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/chardev`;
  const chardev = new Chardev(path);
  const dialer = new SerialDialer(path);
  let guest: { close(): void } = new SerialListener(chardev.openPort());
  const listener = (): SerialListener => {
    if (guest instanceof SerialListener) return guest;
    throw new Error("A hostile guest listens to nobody");
  };
  return {
    dialer,
    openDialer: () => new SerialDialer(path),
    listen: (port) => listener().listen(port),
    restartGuest: () => {
      guest.close();
      chardev.hangUp();
      guest = new SerialListener(chardev.openPort());
      return Promise.resolve();
    },
    hostileGuest: (bytes) => {
      guest.close();
      chardev.hangUp();
      const port = chardev.openPort();
      guest = port;
      void writeAll(port, bytes).catch(() => {}); // nobody reads any more
      return Promise.resolve();
    },
    rawHost: () => Deno.connect({ transport: "unix", path }),
    async [Symbol.asyncDispose]() {
      dialer.close();
      guest.close();
      await chardev.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * QEMU's chardev with a virtio-serial port behind it: one host at a time; while there is none
 * the guest's reads and writes wait, and a new host reads on where the last one left off.
 */
class Chardev {
  readonly #listener: Deno.UnixListener;
  readonly #loop: Promise<void>;
  #host: PromiseWithResolvers<Deno.Conn> = Promise.withResolvers();
  #current: Deno.Conn | undefined;
  #gone: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#loop = this.#accept();
  }

  openPort(): Connection {
    return new Port(() => this.#host.promise, () => this.hangUp());
  }

  /** The host's connection ends, as when the host program dies or QEMU does. */
  hangUp(): void {
    if (this.#current === undefined) return;
    closeQuietly(this.#current);
    this.#current = undefined;
    this.#host = Promise.withResolvers();
    this.#gone.resolve();
  }

  async close(): Promise<void> {
    this.#listener.close();
    this.hangUp();
    await this.#loop;
  }

  async #accept(): Promise<void> {
    for await (const host of this.#listener) {
      this.#gone = Promise.withResolvers();
      this.#current = host;
      this.#host.resolve(host);
      await this.#gone.promise;
    }
  }
}

/** The guest's end of the port. */
class Port implements Connection {
  readonly #host: () => Promise<Deno.Conn>;
  readonly #hangUp: () => void;
  readonly #closed = Promise.withResolvers<null>();
  #isClosed = false;

  constructor(host: () => Promise<Deno.Conn>, hangUp: () => void) {
    this.#host = host;
    this.#hangUp = hangUp;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (!this.#isClosed) {
      const host = await Promise.race([this.#host(), this.#closed.promise]);
      if (host === null) return null;
      const count = await host.read(into).catch(() => null);
      if (count !== null) return count;
      if (!this.#isClosed) this.#hangUp();
    }
    return null;
  }

  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      const host = await Promise.race([this.#host(), this.#closed.promise]);
      if (host === null) throw new Deno.errors.BadResource("Port is closed");
      try {
        await writeAll(host, bytes);
        return bytes.length;
      } catch {
        this.#hangUp(); // the next host reads a frame whose beginning may be lost
      }
    }
  }

  closeWrite(): Promise<void> {
    return Promise.reject(new Error("A port cannot be closed halfway"));
  }

  close(): void {
    this.#isClosed = true;
    this.#closed.resolve(null);
  }
}
