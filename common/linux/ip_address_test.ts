import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatIp, formatMac, parseIp, parseMac } from "./ip_address.ts";

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Runs of zeros are what version 6 shortens.
  fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((bytes) =>
    Uint8Array.from(bytes)
  ),
);

Deno.test("formatIp and parseIp are inverse", () => {
  fc.assert(fc.property(address, (bytes) => assertEquals(parseIp(formatIp(bytes)), bytes)));
});

Deno.test("formatIp writes version 6 as RFC 5952 wants it", () => {
  const same = ["::", "::1", "fe80::1", "2001:db8::1:0:0:1", "1:0:2:3:4:5:6:7", "fd00:1::"];
  for (const text of same) {
    const bytes = parseIp(text);
    assert(bytes, text);
    assertEquals(formatIp(bytes), text);
  }
  assertEquals(parseIp("::ffff:10.0.0.1")?.slice(10), Uint8Array.of(255, 255, 10, 0, 0, 1));
});

Deno.test("parseIp takes any text, and only addresses count", () => {
  const none = [
    "",
    ":",
    ":::",
    "1.2.3",
    "1.2.3.256",
    "1.2.3.4.5",
    "1:2:3:4:5:6:7",
    "1::2::3",
    "g::",
  ];
  for (
    const text of [...none, "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "10.0.0.1/24", "fe80::1%lo"]
  ) {
    assertEquals(parseIp(text), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => [undefined, 4, 16].includes(parseIp(text)?.length)));
});

Deno.test("parseMac and formatMac are inverse", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 6, maxLength: 6 }),
      (bytes) => assertEquals(parseMac(formatMac(bytes)), bytes),
    ),
  );
  for (const text of ["", "02:00:00:00:00", "02-00-00-00-00-01", "0g:00:00:00:00:01"]) {
    assertEquals(parseMac(text), undefined);
  }
});
