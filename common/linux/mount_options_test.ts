import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { MS_BIND, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_SLAVE } from "./mount_flags.ts";
import { parseMountOptions } from "./mount_options.ts";

Deno.test("parseMountOptions sorts flags, propagation and data", () => {
  const options = ["rbind", "ro", "nosuid", "rslave", "size=64k", "mode=755", "x-note=1", ""];
  assertEquals(parseMountOptions(options), {
    flags: MS_BIND | MS_REC | MS_RDONLY | MS_NOSUID,
    propagation: [MS_SLAVE | MS_REC],
    data: "size=64k,mode=755",
  });
  assertEquals(parseMountOptions([]), { flags: 0, propagation: [], data: "" });
});

Deno.test("parseMountOptions lets later options win", () => {
  assertEquals(parseMountOptions(["ro", "rw"]).flags, 0);
  assertEquals(parseMountOptions(["rw", "ro", "defaults"]).flags, MS_RDONLY);
  const { propagation } = parseMountOptions(["private", "slave"]);
  assertEquals(propagation, [MS_PRIVATE, MS_SLAVE]);
});

Deno.test("parseMountOptions keeps every option it does not know, in order", () => {
  const unknown = fc.stringMatching(/^fs[a-z]{0,8}(=[a-z0-9/]{0,8})?$/);
  const known = fc.constantFrom("ro", "bind", "shared", "noexec", "toString");
  fc.assert(fc.property(fc.array(fc.oneof(unknown, known)), (options) => {
    const kept = options.filter((option) => option.startsWith("fs") || option === "toString");
    assertEquals(parseMountOptions(options).data, kept.join(","));
  }));
});
