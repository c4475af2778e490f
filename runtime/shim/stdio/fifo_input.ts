import { O } from "../../../common/linux/fd.ts";
import type { FdStream } from "../../../common/linux/fd_stream.ts";
import { isHungUp } from "../../../common/linux/readiness.ts";
import type { ByteSource } from "../../sandbox/process_io.ts";

/** Opens a path of a stream; fails with an error that names it. */
export type OpenStream = (path: string, flags: number) => FdStream;

/**
 * A process's stdin, from the FIFO into which clients write.
 *
 * Once the process has started only {@linkcode end} ends it: a writing end of our own keeps it from ending when a
 * client detaches. A client that has left before the start had no task yet to say CloseIO to, so its leaving is the end
 * (`echo hello | ctr run ... cat`).
 */
export class FifoInput implements ByteSource, Disposable {
  readonly #path: string;
  readonly #open: OpenStream;
  readonly #attended: boolean;
  readonly #reader: FdStream;
  #holder: FdStream | undefined;
  #ended = false;

  /**
   * @param attended Whether a client waits for the outputs. Such a client opens all FIFOs before it asks for a start,
   * so stdin is over when nobody holds it then, also when its client was gone before we came
   * (`ctr task exec ... cat < /dev/null`). Without one, somebody may still come.
   */
  constructor(path: string, openStream: OpenStream, attended: boolean) {
    this.#path = path;
    this.#open = openStream;
    this.#attended = attended;
    this.#reader = openStream(path, O.RDONLY | O.NONBLOCK);
  }

  /** The process starts; nothing may be read before. */
  begin(): void {
    if (this.#ended) return;
    // A reader hears of writers that left since it came; with one of ours, of those before it too.
    if (this.#attended) this.#openWriter().close();
    if (!isHungUp(this.#reader.fd)) this.#holder = this.#openWriter();
  }

  /** Stdin ends after the bytes that are there, once clients have let go of it too. */
  end(): void {
    this.#ended = true;
    this.#holder?.close();
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#reader.read(into);
  }

  [Symbol.dispose](): void {
    this.end();
    this.#reader.close();
  }

  #openWriter(): FdStream {
    return this.#open(this.#path, O.WRONLY | O.NONBLOCK);
  }
}
