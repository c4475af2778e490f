import type { Step } from "../metrics/timeline.ts";
import { gapsOf } from "./timeline_gaps.ts";

const WIDTH = 1000, LABELS = 380, ROW = 20, TOP = 40, MARGIN = 10;
/** Ticks of the axis, at most. */
const MAX_TICKS = 10;
const COLOURS = { host: "#4477aa", guest: "#cc6677", gap: "#bbbbbb" } as const;

type Lane = keyof typeof COLOURS;

interface Bar {
  readonly step: Step;
  readonly lane: Lane;
}

/** A timeline as a picture: host and guest on one axis, each step a bar, each gap without a step a grey one. */
export function renderSvg(title: string, steps: readonly Step[]): string {
  const bars = barsOf(steps);
  const startMs = Math.min(...steps.map((step) => step.startMs));
  const spanMs = Math.max(...steps.map((step) => step.endMs)) - startMs;
  const scale = (WIDTH - LABELS - 2 * MARGIN) / Math.max(spanMs, 1);
  const x = (ms: number): number => LABELS + MARGIN + (ms - startMs) * scale;
  const height = TOP + bars.length * ROW + 2 * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="${MARGIN}" y="20" font-size="14">${escaped(title)}: ${spanMs.toFixed(0)} ms</text>`,
    ...axis(startMs, spanMs, height - ROW, x),
    ...bars.flatMap((bar, row) => drawn(bar, TOP + row * ROW, x)),
    ...legend(height - 6),
    "</svg>",
    "",
  ].join("\n");
}

function barsOf(steps: readonly Step[]): Bar[] {
  const named = steps.map((step): Bar => ({ step, lane: laneOf(step) }));
  const gaps = gapsOf(steps).map((step): Bar => ({ step, lane: "gap" }));
  return [...named, ...gaps].sort((a, b) =>
    a.step.startMs - b.step.startMs || b.step.endMs - a.step.endMs
  );
}

/** The guest's own steps say so, and "agent ..." is what the host waits for in the guest. */
function laneOf({ name }: Step): Lane {
  return /^(guest|agent|clone)\b/.test(name) ? "guest" : "host";
}

function drawn({ step, lane }: Bar, y: number, x: (ms: number) => number): string[] {
  const left = x(step.startMs), width = Math.max(1, x(step.endMs) - left);
  const ms = (step.endMs - step.startMs).toFixed(1);
  const rect = `x="${left.toFixed(1)}" y="${y + 3}" width="${width.toFixed(1)}" height="${
    ROW - 6
  }"`;
  return [
    `<text x="${LABELS}" y="${y + 14}" text-anchor="end">${escaped(step.name)}, ${ms}</text>`,
    `<rect ${rect} fill="${COLOURS[lane]}"><title>${escaped(step.name)}: ${ms} ms</title></rect>`,
  ];
}

function axis(
  startMs: number,
  spanMs: number,
  bottom: number,
  x: (ms: number) => number,
): string[] {
  const every = tickMs(spanMs);
  const count = Math.floor(spanMs / every) + 1;
  return Array.from({ length: count }, (_, index) => index * every).flatMap((ms) => {
    const at = x(startMs + ms).toFixed(1);
    return [
      `<line x1="${at}" y1="${TOP - 4}" x2="${at}" y2="${bottom}" stroke="#dddddd"/>`,
      `<text x="${at}" y="${TOP - 8}" text-anchor="middle" fill="#666666">${ms}</text>`,
    ];
  });
}

/** 1, 2 or 5 times a power of ten, so that there are at most {@linkcode MAX_TICKS}. */
function tickMs(spanMs: number): number {
  const least = Math.max(spanMs / MAX_TICKS, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((ms) => ms >= least) ?? least;
}

function legend(y: number): string[] {
  return Object.entries(COLOURS).flatMap(([name, colour], index) => {
    const left = MARGIN + index * 160;
    const label = name === "gap" ? "no step of its own" : name;
    return [
      `<rect x="${left}" y="${y - 9}" width="10" height="10" fill="${colour}"/>`,
      `<text x="${left + 15}" y="${y}">${label}</text>`,
    ];
  });
}

/** Names of steps are ours, those of sandboxes the engine's. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
