import { assert, assertEquals, assertMatch } from "@std/assert";
import { processMetrics } from "./process_metrics.ts";

Deno.test("processMetrics tells a process's figures in Prometheus' format", () => {
  const text = processMetrics([{ role: "shim", pid: Deno.pid }]);
  for (const line of text.trim().split("\n")) {
    assertMatch(
      line,
      /^(# (HELP|TYPE) kata_process_\w+ .+|kata_process_\w+\{role="shim",pid="\d+"\} [\d.e+]+)$/,
    );
  }
  const resident = /^kata_process_resident_memory_bytes\S* (\d+)$/m.exec(text)?.[1];
  assert(Number(resident) > 1024 * 1024, `${resident}`);
  assert(/^kata_process_cpu_seconds_total\S* \d/m.test(text));
});

Deno.test("processMetrics leaves out what has ended", () => {
  assertEquals(processMetrics([{ role: "qemu", pid: 4194305 }]), "");
});
