import { assertEquals } from "@std/assert";
import { judgeTap } from "./oci_suite.ts";

Deno.test("judgeTap wants each point to be ok, at least one, and status 0", () => {
  assertEquals(judgeTap("TAP version 13\nok 1 - a\nok 2 - b # SKIP no\n1..2\n", 0), "passed");
  assertEquals(judgeTap("ok 1 - a\nnot ok 2 - b\n1..2\n", 0), "failed");
  assertEquals(judgeTap("ok 1 - a\n1..1\n", 1), "failed");
  assertEquals(judgeTap("ok 1 # skip no\n1..1\n", 0), "skipped");
  assertEquals(judgeTap("", 0), "failed");
});
