/** When the steps of the start were over. */
import { bootTimeMs } from "../../common/linux/clock.ts";

export interface Step {
  readonly name: string;
  /** Milliseconds since the guest's kernel started. */
  readonly atMs: number;
}

export class Timeline {
  readonly #steps: Step[];

  /** @param before Steps of /init, as its environment variable tells them: `mounts=815.0 agent=906.0`. */
  constructor(before = "") {
    this.#steps = parseTimeline(before);
  }

  /** Notes that a step is over now. */
  mark(name: string): void {
    this.#steps.push({ name, atMs: bootTimeMs() });
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }
}

/** Pairs `name=ms`; whatever else stands there is left out. */
export function parseTimeline(text: string): Step[] {
  return text.split(" ").flatMap((pair) => {
    const match = /^([a-z_]{1,32})=(\d{1,12}(?:\.\d{1,6})?)$/.exec(pair);
    return match?.[1] && match[2] ? [{ name: match[1], atMs: Number(match[2]) }] : [];
  });
}
