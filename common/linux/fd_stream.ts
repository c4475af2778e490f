import { close, readSync, setNonblocking, writeSync } from "./fd.ts";
import { Errno } from "./errno.ts";
import { giveWay, mustGiveWay } from "./fairness.ts";
import { readableWithin } from "./readiness.ts";
import { libcFunction } from "./libc.ts";
import { isTerminal } from "./terminal.ts";
import { expectMore, type Watch, watch } from "./poll.ts";
import { check, isErrno, SyscallError } from "./syscall_error.ts";

const sys = { shutdown: libcFunction("shutdown", ["i32", "i32"]) };
const SHUT_WR = 1;

/** A transfer this long is part of a larger one; short messages come alone. */
const FLOW_BYTES = 2048;

/** Of a stream that gathers, a read so soon after the last one is part of a flow too, however little it gives. */
const FLOW_MS = 3;

/** A stream that gathers waits this long for a next piece, and no longer than {@linkcode GATHER_MS} for all of them. */
const PIECE_MS = 1, GATHER_MS = 4;

export interface FdStreamOptions {
  /**
   * Reading 0 bytes means "nobody is at the other end yet" and not the end: wait for the next event.
   * For virtio-serial ports, which say so while the host is not connected. Source: Linux virtio_console.c.
   */
  readonly hangupIsIdle?: boolean;
  /**
   * Once bytes flow, reads on until the buffer is full or no more come for a moment: for what gives little at a time, as
   * a terminal or a virtio-serial port, where what follows each read costs far more than the read.
   */
  readonly gather?: boolean;
}

/**
 * Bytes from and to a raw descriptor: pipe, FIFO, terminal, Unix or vsock socket, virtio port, regular file.
 *
 * Calls read(2) and write(2) directly and waits for the epoll loop only when they say EAGAIN.
 */
export class FdStream implements Disposable {
  readonly #hangupIsIdle: boolean;
  readonly #gather: boolean;
  #fd: number;
  /** When a stream that gathers last gave something. */
  #lastReadMs = 0;
  #watch: Watch | undefined;
  /** Ends when the last queued write did, so that concurrent writes do not mix. */
  #lastWrite: Promise<unknown> | undefined;

  /**
   * Takes over `fd` and makes it nonblocking.
   * @throws {SyscallError} EBADF: not an open descriptor.
   */
  constructor(fd: number, options: FdStreamOptions = {}) {
    this.#fd = fd;
    this.#hangupIsIdle = options.hangupIsIdle ?? false;
    this.#gather = options.gather ?? false;
    setNonblocking(fd);
  }

  /** The descriptor, or -1 once closed or released. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether a read would give something at once, be it the end. */
  get hasBytes(): boolean {
    return this.#fd !== -1 && readableWithin(this.#fd, 0);
  }

  /**
   * Reads at least one byte.
   * @returns The count, or `null` at the end: the peer closed (a terminal says EIO then), this stream was closed, or
   * `signal` aborted.
   * @throws {SyscallError} With the errno of read(2).
   */
  async read(into: Uint8Array, signal?: AbortSignal): Promise<number | null> {
    if (into.length === 0) return 0;
    while (this.#fd !== -1) {
      const count = this.#readReady(into);
      if (count > 0) {
        if (count >= FLOW_BYTES) expectMore();
        if (mustGiveWay(count)) await giveWay();
        return count;
      }
      if (count === -Errno.EINTR) continue;
      if (this.#isEnd(count)) return null;
      if (count !== 0 && count !== -Errno.EAGAIN) {
        throw new SyscallError("read", `fd ${this.#fd}`, -count);
      }
      if (!await this.#watched().readable(signal)) return null;
    }
    return null;
  }

  /** Reads once, or gathers. @returns As read(2), or the negated errno. */
  #readReady(into: Uint8Array): number {
    const first = readSync(this.#fd, into);
    if (!this.#gather || first <= 0) return first;
    const startedMs = performance.now();
    const flows = first >= FLOW_BYTES || startedMs - this.#lastReadMs < FLOW_MS;
    const total = flows ? this.#readOn(into, first, startedMs + GATHER_MS) : first;
    this.#lastReadMs = performance.now();
    return total;
  }

  #readOn(into: Uint8Array, first: number, deadlineMs: number): number {
    let total = first;
    while (total < into.length) {
      const count = readSync(this.#fd, into.subarray(total));
      if (count > 0) total += count;
      else if (count !== -Errno.EAGAIN || performance.now() > deadlineMs) break;
      else if (!readableWithin(this.#fd, PIECE_MS)) break;
    }
    return total;
  }

  /**
   * Writes all bytes, which must not change until then; concurrent writes go out one after the other.
   * @returns The number of bytes given.
   * @throws {SyscallError} EPIPE: nobody reads any more. EBADF: this stream was closed. Or write(2)'s errno.
   */
  async write(bytes: Uint8Array): Promise<number> {
    const before = this.#lastWrite;
    const written = before ? 0 : this.#writeReady(bytes, 0);
    if (!before && written === bytes.length) {
      if (mustGiveWay(written)) await giveWay();
      return written;
    }
    const rest = before
      ? before.then(() => this.#writeRest(bytes, 0))
      : this.#writeRest(bytes, written);
    const settled = rest.then(noop, noop).then(() => {
      if (this.#lastWrite === settled) this.#lastWrite = undefined;
    });
    this.#lastWrite = settled;
    return await rest;
  }

  /** Tells the peer of a socket that no more bytes will come, once queued writes are out; nothing on other files. */
  async closeWrite(): Promise<void> {
    await this.#lastWrite;
    if (this.#fd === -1) return;
    try {
      check(sys.shutdown(this.#fd, SHUT_WR), "shutdown", `fd ${this.#fd}`);
    } catch (error) {
      if (!isErrno(error, "ENOTSOCK", "ENOTCONN")) throw error; // not a socket, or its peer has left already
    }
  }

  /**
   * Gives the descriptor up without closing it, blocking, as the programs it is handed to expect.
   * Pending reads end with `null`, pending writes with EBADF.
   */
  release(): number {
    const fd = this.#detach();
    if (fd !== -1) setNonblocking(fd, false);
    return fd;
  }

  /** Closes the descriptor; again does nothing. Pending reads end with `null`, pending writes with EBADF. */
  close(): void {
    const fd = this.#detach();
    if (fd !== -1) close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #writeRest(bytes: Uint8Array, from: number): Promise<number> {
    let written = this.#writeReady(bytes, from);
    let crowding = false;
    while (written < bytes.length) {
      await this.#watched().writable();
      // Here, and not behind the write: its EAGAIN must be followed by the wait at once, or the edge is missed.
      if (crowding) await giveWay();
      const now = this.#writeReady(bytes, written);
      if (now - written >= FLOW_BYTES) expectMore();
      crowding = mustGiveWay(now - written);
      written = now;
    }
    return written;
  }

  /** Writes until the kernel takes no more. @returns The new count of bytes written. */
  #writeReady(bytes: Uint8Array, from: number): number {
    if (this.#fd === -1) throw new SyscallError("write", "closed stream", Errno.EBADF);
    let written = from;
    while (written < bytes.length) {
      const count = writeSync(this.#fd, written === 0 ? bytes : bytes.subarray(written));
      if (count >= 0) written += count;
      else if (count === -Errno.EAGAIN) break;
      else if (count !== -Errno.EINTR) throw new SyscallError("write", `fd ${this.#fd}`, -count);
    }
    return written;
  }

  #isEnd(count: number): boolean {
    return count === 0 && !this.#hangupIsIdle || count === -Errno.EIO && isTerminal(this.#fd);
  }

  #watched(): Watch {
    return this.#watch ??= watch(this.#fd);
  }

  #detach(): number {
    const fd = this.#fd;
    this.#fd = -1;
    this.#watch?.stop();
    this.#watch = undefined;
    return fd;
  }
}

function noop(): void {}

export { copy } from "./copy.ts";
