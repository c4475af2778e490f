import { assertEquals, assertThrows } from "@std/assert";
import { exists } from "./exists.ts";

Deno.test("exists sees files, folders and links that lead nowhere, and passes other failures on", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.symlinkSync("/nonexistent", `${folder}/link`);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const names = ["", "/link", "/file", "/none"];
    assertEquals(names.map((name) => exists(folder + name)), [true, true, true, false]);
    assertThrows(() => exists(`${folder}/file/below`));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
