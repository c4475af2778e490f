import { assert, assertEquals } from "@std/assert";
import { IN, Inotify } from "./inotify.ts";
import { pollIdle } from "./poll.ts";

Deno.test("Inotify tells which of its watches saw something, and ends when disposed of", async () => {
  const folder = await Deno.makeTempDir();
  const inotify = new Inotify();
  try {
    await Deno.mkdir(`${folder}/a`);
    await Deno.mkdir(`${folder}/b`);
    const a = inotify.add(`${folder}/a`, IN.CREATE | IN.MOVED_TO);
    const b = inotify.add(`${folder}/b`, IN.CREATE | IN.MOVED_TO);
    assert(a !== b);
    await Deno.writeTextFile(`${folder}/b/x`, "");
    assertEquals(await inotify.next(), new Set([b]));
    const later = inotify.next();
    await Deno.rename(`${folder}/b/x`, `${folder}/a/x`);
    assertEquals(await later, new Set([a]));
    const never = inotify.next();
    inotify[Symbol.dispose]();
    assertEquals(await never, null);
  } finally {
    inotify[Symbol.dispose]();
    await Deno.remove(folder, { recursive: true });
    await pollIdle();
  }
});
