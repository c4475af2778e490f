import { assertMatch, assertNotEquals } from "@std/assert";
import { writeMachineId } from "./machine_id.ts";

Deno.test("writeMachineId writes another id each time", async () => {
  const file = await Deno.makeTempFile();
  try {
    await writeMachineId(file);
    const first = await Deno.readTextFile(file);
    assertMatch(first, /^[0-9a-f]{32}\n$/);
    await writeMachineId(file);
    assertNotEquals(await Deno.readTextFile(file), first);
  } finally {
    await Deno.remove(file);
  }
});
