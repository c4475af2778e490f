import { assertEquals } from "@std/assert";
import { parseUris } from "./packages.ts";

const HASH = "a".repeat(64);

Deno.test("parseUris reads apt's lines and skips its remarks", () => {
  const output =
    `N: remark\n'http://h/c_1%2b1_amd64.deb' crun_1%3a1+1_amd64.deb 289288 SHA256:${HASH}\n`;
  assertEquals(parseUris(output), [
    {
      name: "crun",
      url: "http://h/c_1%2b1_amd64.deb",
      file: "crun_1%3a1+1_amd64.deb",
      sha256: HASH,
    },
  ]);
});

Deno.test("parseUris takes no file without a SHA-256", () => {
  assertEquals(parseUris("'http://h/c.deb' c_1_amd64.deb 3 MD5Sum:abc\n"), []);
});
