import { assertEquals } from "@std/assert";
import { select } from "./test.ts";

Deno.test("select runs every part when none is named", () => {
  assertEquals(select([]).parts.length > 5, true);
  assertEquals(select(["run_test.ts"]).files, ["run_test.ts"]);
});

Deno.test("select tells parts, files and flags of deno test apart", () => {
  assertEquals(select(["unit", "lint", "ttrpc", "--filter", "frame"]), {
    parts: ["unit", "lint"],
    files: ["ttrpc"],
    flags: ["--filter", "frame"],
  });
});
