import { assertEquals, assertThrows } from "@std/assert";
import { type Figure, Figures, jsonLines, median, summarise, table } from "./figures.ts";

const ECHO = { bench: "start", name: "run echo", unit: "ms" } as const;

Deno.test("median is the middle, or the mean of both middles", () => {
  assertEquals([median([3]), median([9, 1, 5]), median([4, 1, 2, 3])], [3, 5, 2.5]);
});

Deno.test("the best of a rate is the largest, of a time the smallest", () => {
  const rate: Figure = { ...ECHO, runtime: "a", unit: "MB/s", samples: [1, 3, 2] };
  assertEquals(summarise(rate), { best: 3, median: 2 });
  assertEquals(summarise({ ...rate, unit: "ms" }), { best: 1, median: 2 });
  assertThrows(() => summarise({ ...rate, samples: [] }), Error, "No sample");
});

Deno.test("table puts runtimes side by side, and a dash where nothing was measured", () => {
  const figures = new Figures();
  for (const sample of [100, 300]) figures.record({ ...ECHO, runtime: "runc" }, sample);
  figures.record({ ...ECHO, runtime: "kata" }, 500);
  figures.record({ ...ECHO, name: "exec", runtime: "kata" }, 50);
  assertEquals(table(figures.all(), ["runc", "kata"]).split("\n").slice(2), [
    "| start: run echo, ms | 100 / 200 | 500 / 500 | 2.50 |",
    "| start: exec, ms | - | 50.0 / 50.0 | - |",
  ]);
});

Deno.test("jsonLines carries every sample", () => {
  const figures = new Figures();
  figures.record({ ...ECHO, runtime: "runc" }, 7);
  assertEquals(JSON.parse(jsonLines(figures.all())), {
    ...ECHO,
    runtime: "runc",
    samples: [7],
    best: 7,
    median: 7,
  });
});
