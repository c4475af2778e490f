import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { requireVmmVersion } from "./vmm_version.ts";

const LEAST = { major: 1, minor: 4 };

function read(version: unknown): unknown {
  return requireVmmVersion("Some VMM", { version }, "version", LEAST);
}

Deno.test("requireVmmVersion reads what VMMs say of themselves", () => {
  assertEquals(read("v40.0.0"), { major: 40, minor: 0 });
  assertEquals(read("1.14.0-dev"), { major: 1, minor: 14 });
  assertEquals(read("1.4.1"), { major: 1, minor: 4 });
});

Deno.test("requireVmmVersion refuses what is older, or no version", () => {
  for (const version of ["1.3.9", "0.25.2", "", "new", undefined, { major: 9 }]) {
    assertThrows(() => read(version), RuntimeError, "1.4 or later is needed");
  }
  assertThrows(
    () => requireVmmVersion("Some VMM", null, "version", LEAST),
    RuntimeError,
    "too old",
  );
});
