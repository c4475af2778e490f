import { assertEquals } from "@std/assert";
import { vmmMetrics } from "./vmm_metrics.ts";

Deno.test("vmmMetrics writes figures by device, whatever their names", () => {
  assertEquals(vmmMetrics({}), "");
  assertEquals(vmmMetrics({ net: {} }), "");
  const text = vmmMetrics({ net: { rx: 1, tx: 2.5 }, 'a"\\\n': { b: 3 } });
  assertEquals(text.split("\n").slice(2), [
    'kata_vmm_counter{device="net",figure="rx"} 1',
    'kata_vmm_counter{device="net",figure="tx"} 2.5',
    'kata_vmm_counter{device="a\\"\\\\\\n",figure="b"} 3',
    "",
  ]);
});
