import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseGuestPids } from "./guest_pids.ts";

Deno.test("parseGuestPids reads one pid a line", () => {
  assertEquals(parseGuestPids("12\n4194304"), [12, 4194304]);
  assertEquals(parseGuestPids(""), []);
});

Deno.test("parseGuestPids: whatever a guest says, only pids come out, and not too many", () => {
  assertEquals(parseGuestPids("0\n-1\n 7\n4194305\n99999999\n1e3\nx"), []);
  assertEquals(parseGuestPids("1\n".repeat(20_000)).length, 10_000);
  fc.assert(fc.property(fc.string(), (text) => {
    assert(parseGuestPids(text).every((pid) => Number.isInteger(pid) && pid > 0));
  }));
});
