import { assertEquals, assertThrows } from "@std/assert";
import { replaceFile } from "./replace_file.ts";

Deno.test("replaceFile makes a file and replaces it, for its owner alone, and leaves nothing beside it", () => {
  const folder = Deno.makeTempDirSync();
  try {
    for (const text of ["first", "second"]) {
      replaceFile(`${folder}/f`, text);
      assertEquals(Deno.readTextFileSync(`${folder}/f`), text);
    }
    assertEquals((Deno.statSync(`${folder}/f`).mode ?? 0) & 0o777, 0o600);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["f"]);
    assertThrows(() => replaceFile(`${folder}/none/f`, ""), Deno.errors.NotFound);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
