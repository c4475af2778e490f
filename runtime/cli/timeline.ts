import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { Step } from "../metrics/timeline.ts";
import { loadTimeline } from "../sandbox/timeline_file.ts";
import { findSandbox } from "./find_sandbox.ts";
import { gapsOf } from "./timeline_gaps.ts";

/** Width of the bars, in characters. */
const BAR_WIDTH = 40;

function bar(step: Step, startMs: number, spanMs: number): string {
  const scale = BAR_WIDTH / Math.max(spanMs, 1);
  const from = Math.min(Math.floor((step.startMs - startMs) * scale), BAR_WIDTH - 1);
  const length = Math.max(1, Math.round((step.endMs - step.startMs) * scale));
  return (" ".repeat(from) + "#".repeat(length)).slice(0, BAR_WIDTH).padEnd(BAR_WIDTH);
}

/** A timeline as text: when each step began, how long it took, and where it lies in the whole. */
export function renderTimeline(steps: readonly Step[]): string {
  const all = [...steps, ...gapsOf(steps)];
  const sorted = all.toSorted((a, b) => a.startMs - b.startMs || b.endMs - a.endMs);
  const startMs = Math.min(...steps.map((step) => step.startMs));
  const spanMs = Math.max(...steps.map((step) => step.endMs)) - startMs;
  const width = Math.max(...steps.map(({ name }) => name.length));
  const lines = sorted.map((step) => {
    const at = (step.startMs - startMs).toFixed(1).padStart(9);
    const took = (step.endMs - step.startMs).toFixed(1).padStart(9);
    return `${at} ${took}  |${bar(step, startMs, spanMs)}|  ${step.name}`;
  });
  const head = `${"at ms".padStart(9)} ${"took ms".padStart(9)}  ${
    " ".repeat(BAR_WIDTH + 2)
  }  step`;
  return [head.padEnd(width), ...lines, `${spanMs.toFixed(1).padStart(19)}  in all`, ""].join("\n");
}

/** `kata-runtime timeline`: where the time of a sandbox's start went, host and guest on one axis. */
export async function timeline(args: readonly string[]): Promise<string> {
  const [name] = args.filter((word) => !word.startsWith("--"));
  if (!name) throw new RuntimeError(Code.InvalidArgument, "Cannot show a timeline: name a sandbox");
  const { key } = await findSandbox(name);
  const steps = await loadTimeline(key);
  if (steps.length === 0) {
    throw new RuntimeError(Code.NotFound, `Sandbox "${name}" has recorded no steps yet`);
  }
  if (args.includes("--json")) return JSON.stringify(steps, null, 2) + "\n";
  if (!args.includes("--svg")) return renderTimeline(steps);
  return (await import("./timeline_svg.ts")).renderSvg(`Start of ${name}`, steps);
}
