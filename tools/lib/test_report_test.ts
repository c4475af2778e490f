import { assertEquals } from "@std/assert";
import { add, closingLine, countTests, NONE } from "./test_report.ts";

Deno.test("countTests reads every form of deno's summary", () => {
  assertEquals(countTests("x\n\nok | 4 passed | 0 failed (700ms)\n", 0), { ...NONE, passed: 4 });
  assertEquals(
    countTests(
      "FAILED | 3 passed (2 steps) | 1 failed (1 step) | 2 ignored | 9 filtered out (1s)\n",
      1,
    ),
    { passed: 3, failed: 1, skipped: 2 },
  );
  assertEquals(
    countTests(
      "\u001b[0m\u001b[32mok\u001b[0m | 4 passed | 0 failed \u001b[38;5;245m(7ms)\u001b[0m\n",
      0,
    ),
    { ...NONE, passed: 4 },
  );
});

Deno.test("countTests takes the last summary, not what a test printed", () => {
  const text = "ok | 100 passed | 0 failed (1s)\nok | 1 passed | 0 failed (1s)\n";
  assertEquals(countTests(text, 0), { ...NONE, passed: 1 });
});

Deno.test("countTests counts a run that failed without a failed test as one failure", () => {
  assertEquals(countTests("error: Type checking failed.\n", 1), { ...NONE, failed: 1 });
  assertEquals(countTests("ok | 2 passed | 0 failed (1s)\nerror: leak\n", 1), {
    ...NONE,
    passed: 2,
    failed: 1,
  });
});

Deno.test("closingLine is the sum in the agreed form", () => {
  const sum = add({ passed: 1, failed: 0, skipped: 2 }, { passed: 3, failed: 1, skipped: 0 });
  assertEquals(closingLine(sum), "4 passed, 1 failed, 2 skipped");
});
