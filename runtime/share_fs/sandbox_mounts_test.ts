import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { sandboxMounts } from "./sandbox_mounts.ts";

Deno.test("sandboxMounts: read-only unless asked otherwise, named by the last part", () => {
  assertEquals(sandboxMounts(["/etc/ssl/", "/a/b:rw", "/c:d:ro"]), [
    { source: "/etc/ssl/", name: "ssl", readonly: true },
    { source: "/a/b", name: "b", readonly: false },
    { source: "/c:d", name: "c:d", readonly: true },
  ]);
});

Deno.test("sandboxMounts refuses by the key's name", () => {
  for (const entry of ["", "relative", "/", "/..", "/a/.", ":rw", "a/b:ro"]) {
    assertThrows(() => sandboxMounts([entry]), RuntimeError, "sandbox_bind_mounts");
  }
  assertThrows(() => sandboxMounts(["/a/x", "/b/x:rw"]), RuntimeError, 'second "x"');
});

Deno.test("sandboxMounts: whatever the text, a name is one part of a path", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      for (const { name } of sandboxMounts([`/${text}`])) {
        assertEquals([name.includes("/"), name === "..", name === ""], [false, false, false]);
      }
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }));
});
