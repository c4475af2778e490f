import { assertEquals } from "@std/assert";
import { heldUp, isExempt, only, parseExemptions, parseGoTest, summary } from "./results.ts";

const LOG = `=== RUN   TestA
=== RUN   TestA/one
    --- PASS: TestA/one (0.10s)
--- PASS: TestA (0.12s)
=== RUN   TestB
--- FAIL: TestB (1.00s)
=== RUN   TestC
--- SKIP: TestC (0.00s)
=== RUN   TestHangs
panic: test timed out after 1m0s
`;

Deno.test("parseGoTest counts a case that did not end as failed", () => {
  const { passed, failed, skipped } = parseGoTest(LOG);
  assertEquals([...passed], ["TestA/one", "TestA"]);
  assertEquals([...failed], ["TestB", "TestHangs"]);
  assertEquals([...skipped], ["TestC"]);
});

Deno.test("heldUp names what a hanging case kept from running, paused cases among them", () => {
  const text = `=== RUN   TestA
--- PASS: TestA (0.12s)
=== RUN   TestPaused
=== PAUSE TestPaused
=== RUN   TestHangs
=== RUN   TestHangs/one
panic: test timed out after 10m0s
	running tests:
		TestHangs (9m59s)
		TestHangs/one (9m58s)

goroutine 1 [running]:
`;
  const cases = ["TestA", "TestHangs", "TestPaused", "TestNever"];
  assertEquals(heldUp(cases, text), ["TestPaused", "TestNever"]);
  assertEquals(heldUp(cases, `${text}--- PASS: TestPaused (1s)\n--- PASS: TestNever (1s)\n`), []);
  assertEquals(heldUp(cases, "=== RUN   TestA\n--- FAIL: TestA (0.1s)\n"), []);
});

Deno.test("only counts a listed case that never ran as failed, and no other case", () => {
  const results = only(parseGoTest(LOG), ["TestA", "TestC", "TestNever"]);
  assertEquals(summary(results), "1 passed, 1 failed, 1 skipped");
  assertEquals([...results.failed], ["TestNever"]);
});

Deno.test("parseExemptions reads rows, isExempt honours daemon and parent", () => {
  const text = "| case | containerd | reason |\n| --- | --- | --- |\n" +
    "| `TestA`      | all        | because |\n| `TestB/one` | 1.6 | so |\n";
  const exemptions = parseExemptions(text);
  assertEquals(exemptions.length, 2);
  assertEquals(isExempt(exemptions, "TestA/sub", "2"), true);
  assertEquals(isExempt(exemptions, "TestAB", "2"), false);
  assertEquals(isExempt(exemptions, "TestB/one", "1.6"), true);
  assertEquals(isExempt(exemptions, "TestB/one", "2"), false);
  assertEquals(isExempt(exemptions, "TestB", "1.6"), false);
});
