import { assertEquals, assertStringIncludes } from "@std/assert";
import { renderTimeline } from "./timeline.ts";

Deno.test("renderTimeline orders the steps and sums them up", () => {
  const text = renderTimeline([
    { name: "second", startMs: 150, endMs: 200 },
    { name: "first", startMs: 100, endMs: 150 },
  ]);
  const [, first, second, total] = text.split("\n");
  assertStringIncludes(first ?? "", "0.0      50.0");
  assertEquals(first?.endsWith("first"), true);
  assertStringIncludes(second ?? "", "50.0      50.0");
  assertStringIncludes(total ?? "", "100.0  in all");
});
