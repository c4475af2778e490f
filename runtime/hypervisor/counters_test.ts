import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { countersOf } from "./counters.ts";

Deno.test("countersOf keeps figures by group, and nothing else", () => {
  const value = {
    block: { read_bytes: 1, note: "x", deep: { a: 1 } },
    utc_timestamp_ms: 12,
    empty: { text: "" },
    list: [1],
  };
  assertEquals(countersOf(value), { block: { read_bytes: 1 } });
});

Deno.test("countersOf takes whatever a VMM may say", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    for (const group of Object.values(countersOf(value))) {
      for (const figure of Object.values(group)) assertEquals(typeof figure, "number");
    }
  }));
});
