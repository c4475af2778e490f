/** Out-of-memory kills, told to the host one container id at a time. */
import { AsyncQueue } from "../../common/base/queue.ts";
import type { Cgroup } from "./cgroup.ts";

/** More than this many untold events say nothing new. */
const MAX_UNTOLD = 1024;

export class OomEvents {
  readonly #queue = new AsyncQueue<string>(MAX_UNTOLD);

  /** Waits for the next event. @throws Once `signal` aborts; no event is lost by that. */
  async next(signal: AbortSignal): Promise<string> {
    return await this.#queue.next(signal);
  }

  /** Begins to watch a container. The result's check() looks at once, its disposal ends the watch. */
  watch(containerId: string, cgroup: Cgroup): OomWatch {
    return new OomWatch(cgroup, () => this.#queue.push(containerId));
  }
}

/** Counts one container's kills. */
export class OomWatch implements Disposable {
  readonly #cgroup: Cgroup;
  readonly #report: () => void;
  readonly #watch: Disposable;
  #seen = 0n;

  constructor(cgroup: Cgroup, report: () => void) {
    this.#cgroup = cgroup;
    this.#report = report;
    this.#watch = cgroup.watchMemory(() => this.check());
  }

  /** Reports what happened since the last look. Called at the exit, so that a kill is told before the exit. */
  check(): void {
    const kills = this.#cgroup.oomKills();
    if (kills > this.#seen) this.#report();
    this.#seen = kills;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
