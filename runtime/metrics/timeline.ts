import { monotonicMs } from "../../common/linux/clock.ts";

/** One step of a start: where it began and ended on the host's monotonic clock, in milliseconds. */
export interface Step {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Most steps that one sandbox records; the first ones are the start. */
const MAX_STEPS = 256;

/**
 * Where the time of a sandbox's start went. Always on: a step costs two clock readings.
 */
export class Timeline {
  readonly #steps: Step[] = [];

  /** The steps so far, in the order in which they ended. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Records a step that was timed elsewhere. */
  add(name: string, startMs: number, endMs: number): void {
    if (this.#steps.length < MAX_STEPS) this.#steps.push({ name, startMs, endMs });
  }

  /** Runs the work as a step of this name; a step that fails is recorded too. */
  async step<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const startMs = monotonicMs();
    try {
      return await work();
    } finally {
      this.add(name, startMs, monotonicMs());
    }
  }
}
