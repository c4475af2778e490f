import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { gapsOf } from "./timeline_gaps.ts";
import { renderSvg } from "./timeline_svg.ts";

const STEPS = [
  { name: "start VMM", startMs: 1000, endMs: 1040 },
  { name: "agent <creates> & runs", startMs: 1041, endMs: 1100 },
  { name: "agent starts the container", startMs: 1150, endMs: 1160 },
];

Deno.test("gapsOf tells the times over 20 ms in which no step was under way", () => {
  assertEquals(gapsOf(STEPS).map(({ startMs, endMs }) => [startMs, endMs]), [[1100, 1150]]);
  const around = { name: "all", startMs: 990, endMs: 1160 };
  assertEquals(gapsOf([...STEPS, around]), []);
  assertEquals(gapsOf([]), []);
});

Deno.test("renderSvg draws each step and each gap, with names escaped", () => {
  const svg = renderSvg("sandbox <a>", STEPS);
  assertStringIncludes(svg, "agent &lt;creates&gt; &amp; runs, 59.0");
  assertStringIncludes(svg, "sandbox &lt;a&gt;: 160 ms");
  assertEquals(svg.match(/<rect [^>]*><title>/g)?.length, STEPS.length + 1);
});

Deno.test("renderSvg keeps every bar inside the picture", () => {
  const step = fc.record({
    name: fc.string(),
    startMs: fc.integer({ min: 0, max: 1e6 }),
    length: fc.integer({ min: 0, max: 1e5 }),
  }).map(({ name, startMs, length }) => ({ name, startMs, endMs: startMs + length }));
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
    const bars = renderSvg("t", steps).matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g);
    for (const [, left, width] of bars) assert(Number(left) + Number(width) <= 1001);
  }));
});
