import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseRequestLine, requestLine } from "./forward.ts";

Deno.test("parseRequestLine reads what requestLine wrote, and nothing else", () => {
  const request = fc.record({
    family: fc.constantFrom(4 as const, 6 as const),
    port: fc.integer({ min: 1, max: 65535 }),
  });
  fc.assert(fc.property(request, (given) => {
    assertEquals(parseRequestLine(requestLine(given).trimEnd()), given);
  }));
  for (
    const line of ["", "TCP 4 0", "TCP 4 65536", "TCP 5 80", "TCP 4 80 ", "UDP 4 80", "TCP 4 8e1"]
  ) {
    assertEquals(parseRequestLine(line), undefined, line);
  }
});
