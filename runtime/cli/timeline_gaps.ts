import type { Step } from "../metrics/timeline.ts";

/** Shorter pauses between steps are not told. */
export const MIN_GAP_MS = 20;

/** The times of a start in which no step was under way, as steps of their own, in order. */
export function gapsOf(steps: readonly Step[]): Step[] {
  const gaps: Step[] = [];
  let overMs = Infinity;
  for (const { startMs, endMs } of steps.toSorted((a, b) => a.startMs - b.startMs)) {
    if (startMs - overMs > MIN_GAP_MS) {
      gaps.push({
        name: "(between steps: the engine, or a busy host)",
        startMs: overMs,
        endMs: startMs,
      });
    }
    overMs = overMs === Infinity ? endMs : Math.max(overMs, endMs);
  }
  return gaps;
}
