/** One process of a container, from its start to its exit being told. */
import { kill } from "../../common/linux/process.ts";
import { exitCodeOf, reaper } from "../../common/linux/reaper.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import type { ProcessIo } from "./process_io.ts";
import { promoted } from "./signal_rules.ts";

export class ContainerProcess {
  /** Exit code, or 128 + signal, as soon as it is known. */
  readonly exited: Promise<number>;
  /** The same once the output was passed on, or given up. */
  readonly finished: Promise<number>;
  #running = true;

  /** @param atExit Called between the exit and its being told. */
  constructor(
    readonly pid: number,
    readonly io: ProcessIo,
    atExit: () => void,
  ) {
    this.exited = this.#exit(atExit);
    this.finished = this.#finish();
  }

  get running(): boolean {
    return this.#running;
  }

  async #exit(atExit: () => void): Promise<number> {
    const status = await reaper().exit(this.pid);
    this.#running = false;
    atExit();
    return exitCodeOf(status);
  }

  async #finish(): Promise<number> {
    const code = await this.exited;
    await this.io.drained();
    return code;
  }

  /** Sends a signal, promoted by {@linkcode promoted}. To a process that has ended it does nothing. */
  signal(signal: number): void {
    // Nobody else can have the id yet: the reaper frees it only when it marks the end.
    if (!this.#running) return;
    try {
      kill(this.pid, promoted(this.pid, signal));
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  }
}
