import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../base/errors.ts";
import { requireGrpc, supportsGrpc } from "./support.ts";

Deno.test("supportsGrpc knows the first release that can", () => {
  const can = ["2.7.14", "2.7.15", "2.8.0", "3.0.0"], cannot = ["2.7.11", "2.7.13", "2.6.20"];
  assertEquals([...can, ...cannot].filter((release) => supportsGrpc(release)), can);
});

Deno.test("requireGrpc says what is needed, and what serves instead", () => {
  assertThrows(() => requireGrpc("2.7.11"), RuntimeError, "2.7.14 or later is needed");
  requireGrpc("2.9.6");
});
