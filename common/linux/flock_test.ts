import { assert, assertEquals } from "@std/assert";
import { tryLock } from "./flock.ts";

Deno.test("tryLock gives a lock to one at a time", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/lock`;
    {
      using first = tryLock(path);
      assert(first);
      assertEquals(tryLock(path), undefined);
    }
    using again = tryLock(path);
    assert(again);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
