import { close } from "./fd.ts";

/** A descriptor that is closed with its scope, unless released. */
export class OwnedFd implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor, or -1 once closed or released. */
  get fd(): number {
    return this.#fd;
  }

  /** Gives the descriptor up without closing it. */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** Closes the descriptor; again does nothing. */
  close(): void {
    const fd = this.release();
    if (fd >= 0) close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
