import { close, O, readSync } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { cString } from "./libc.ts";
import { type Watch, watch } from "./poll.ts";
import { check } from "./syscall_error.ts";

const sys = {
  init: libcFunction("inotify_init1", ["i32"]),
  add: libcFunction("inotify_add_watch", ["i32", "buffer", "u32"]),
};

/** Events. Source: linux/inotify.h. */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
} as const;

const OVERFLOW = 0x4000;
/** struct inotify_event without its name. */
const HEADER_BYTES = 16;
const BUFFER_BYTES = 65536;

/** Which watches saw something; `undefined` when events were lost, and any may have. */
export type Changes = ReadonlySet<number> | undefined;

/** One queue of inotify(7) for any number of files and folders, without a thread of its own. */
export class Inotify implements Disposable {
  readonly #fd = check(sys.init(O.NONBLOCK | O.CLOEXEC), "inotify_init1", "");
  readonly #watch: Watch = watch(this.#fd);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #closed = false;

  /**
   * Watches a path, in place of an older watch of the same file.
   * @returns The number by which {@linkcode changes} names it; the same file has the same.
   * @throws {SyscallError} ENOENT; ENOSPC: the user's limit of watches is reached.
   */
  add(path: string, events: number): number {
    return check(sys.add(this.#fd, cString(path), events), "inotify_add_watch", path);
  }

  /** Waits for the next events. @returns `null` once disposed of. */
  async next(): Promise<Changes | null> {
    while (!this.#closed) {
      const count = readSync(this.#fd, this.#buffer);
      if (count > 0) return changesIn(this.#buffer.subarray(0, count));
      if (!await this.#watch.readable()) break;
    }
    return null;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.stop();
    close(this.#fd);
  }
}

/** Exported for tests. */
export function changesIn(bytes: Uint8Array): Changes {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Set<number>();
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    if (view.getUint32(at + 4, true) & OVERFLOW) return undefined;
    found.add(view.getInt32(at, true));
    at += HEADER_BYTES + view.getUint32(at + 12, true);
  }
  return found;
}
