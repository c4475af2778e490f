import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags } from "./flags.ts";
import { OciError } from "./oci_error.ts";
import { limitsOf } from "./update.ts";

function limits(...args: string[]): unknown {
  const flags = ["memory", "cpu-quota", "cpuset-cpus", "pids-limit"];
  return limitsOf(
    parseFlags(Object.fromEntries(flags.map((name) => [name, { kind: "word" as const }])), args),
  );
}

Deno.test("limitsOf puts each limit where the runtime specification has it", () => {
  assertEquals(limits("--memory", "64m", "--cpu-quota", "-1", "--cpuset-cpus", "0-1"), {
    memory: { limit: 64 * 1024 * 1024 },
    cpu: { quota: -1, cpus: "0-1" },
  });
  assertEquals(limits(), {});
});

Deno.test("limitsOf refuses what is no amount, by name", () => {
  assertThrows(() => limits("--memory", "much"), OciError, "invalid value for memory: much");
  assertThrows(() => limits("--pids-limit", "1.5"), OciError, "pids-limit");
});
