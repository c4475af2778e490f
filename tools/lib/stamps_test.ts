import { assertEquals } from "@std/assert";
import { Stamps } from "./stamps.ts";

Deno.test("Stamps calls a file current while it is there and its key is the same", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/a`, "");
    await (await Stamps.read(directory)).set("a", "1");
    const stamps = await Stamps.read(directory);
    assertEquals(await stamps.isCurrent("a", "1"), true);
    assertEquals(await stamps.isCurrent("a", "2"), false);
    await Deno.remove(`${directory}/a`);
    assertEquals(await stamps.isCurrent("a", "1"), false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("Stamps takes a damaged record for an empty one", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/.stamps.json`, "{ not json");
    assertEquals(await (await Stamps.read(directory)).isCurrent("a", "1"), false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a file may have several stamps, and is current by each", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/program`, "");
  const stamps = await Stamps.read(directory);
  await stamps.set("program", "a");
  await stamps.set("sources of program", "b");
  assertEquals(await stamps.isCurrent("program", "a"), true);
  assertEquals(await stamps.isCurrent("program", "b", "sources of program"), true);
  assertEquals(await stamps.isCurrent("program", "a", "sources of program"), false);
  await Deno.remove(directory, { recursive: true });
});
