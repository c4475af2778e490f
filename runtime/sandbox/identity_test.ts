import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { MAX_STATE_DIR } from "../hypervisor/spec_check.ts";
import { checkId, sandboxIdentity } from "./identity.ts";
import { sandboxFolder } from "./paths.ts";

Deno.test("sandboxIdentity tells the same id of two engines or namespaces apart", async () => {
  const one = await sandboxIdentity("/run/a.sock", "default", "t1");
  const other = await sandboxIdentity("/run/b.sock", "default", "t1");
  const third = await sandboxIdentity("/run/a.sock", "k8s.io", "t1");
  assertNotEquals(one.key, other.key);
  assertNotEquals(one.key, third.key);
  assertEquals(one, await sandboxIdentity("/run/a.sock", "default", "t1"));
});

Deno.test("sandboxIdentity keeps the key short enough for a VM's state folder", async () => {
  const { key } = await sandboxIdentity("", "default", "x".repeat(76));
  assert(sandboxFolder(key).length <= MAX_STATE_DIR);
});

Deno.test("checkId refuses whatever could leave a folder", async () => {
  for (
    const id of [
      "",
      ".",
      "..",
      "../x",
      "a/b",
      "a\0",
      "-a",
      "a..b",
      "x".repeat(77),
    ]
  ) {
    assertThrows(() => checkId(id), RuntimeError, "Cannot use");
    await assertRejects(() => sandboxIdentity("", "ns", id), RuntimeError);
  }
});

Deno.test("checkId passes only ids that are one plain path component", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (id) => {
    try {
      checkId(id);
    } catch {
      return;
    }
    assert(!/[/\0]/.test(id) && id !== "." && id !== "..");
  }));
});
