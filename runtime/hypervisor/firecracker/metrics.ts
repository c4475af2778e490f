import { O, open, OwnedFd, readSync } from "../../../common/linux/fd.ts";
import { countersOf } from "../counters.ts";
import type { VmCounters } from "../hypervisor.ts";

/** Longest text that is read, in bytes: a pipe holds no more. */
const MAX_BYTES = 1024 * 1024;

/**
 * The FIFO that Firecracker writes its figures to, a line of JSON whenever it is asked and once a minute: what nobody
 * reads is lost, and takes no more room than a pipe has.
 */
export class MetricsPipe implements Disposable {
  readonly #fd: OwnedFd;

  /** @throws {SyscallError} */
  constructor(path: string) {
    this.#fd = new OwnedFd(open(path, O.RDONLY | O.NONBLOCK));
  }

  /** What was written since the last time, if that is a whole line. @param flush Has Firecracker write. */
  async read(flush: () => Promise<unknown>): Promise<VmCounters> {
    this.#drain();
    await flush();
    const line = this.#drain().trimEnd().split("\n").at(-1) ?? "";
    return countersOf(JSON.parse(line === "" ? "{}" : line));
  }

  #drain(): string {
    const decoder = new TextDecoder(), buffer = new Uint8Array(64 * 1024);
    let text = "";
    for (let total = 0; total < MAX_BYTES;) {
      const count = readSync(this.#fd.fd, buffer);
      if (count <= 0) break; // nothing more for now
      total += count;
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
    return text;
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
