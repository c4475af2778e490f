import { assertEquals, assertThrows } from "@std/assert";
import { checkedId, idOf } from "./find.ts";
import { OciError } from "./oci_error.ts";

Deno.test("checkedId takes what engines hand out, and nothing that could leave its folder", () => {
  for (const id of ["a", "0123456789abcdef".repeat(4), "my_box-1.2"]) {
    assertEquals(checkedId(id), id);
  }
  for (
    const id of ["..", ".", "a/b", "/etc", "a\0b", "-x", "a..b/..", "x".repeat(77), "a b", "ä"]
  ) {
    assertThrows(() => checkedId(id), OciError, "invalid container ID format");
  }
  assertThrows(() => checkedId(""), OciError, "container id cannot be empty");
});

Deno.test("idOf wants exactly one argument", () => {
  assertThrows(
    () => idOf([], "state"),
    OciError,
    'kata-runtime: "state" requires exactly 1 argument(s)',
  );
  assertThrows(() => idOf(["a", "b"], "state"), OciError, "exactly 1 argument");
  assertEquals(idOf(["a", "9"], "kill", { min: 1, max: 2 }), "a");
});
