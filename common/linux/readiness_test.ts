import { assertEquals } from "@std/assert";
import { close, O, open, writeSync } from "./fd.ts";
import { isHungUp } from "./readiness.ts";
import { run } from "./subprocess.ts";

Deno.test("isHungUp tells a writer that left from one that has not come, and from one that stays", async () => {
  const path = `${await Deno.makeTempDir()}/fifo`;
  await run(["/usr/bin/mkfifo", path], { timeoutMs: 5000 });
  const reader = open(path, O.RDONLY | O.NONBLOCK);
  assertEquals(isHungUp(reader), false);
  const writer = open(path, O.WRONLY | O.NONBLOCK);
  writeSync(writer, new Uint8Array(3));
  assertEquals(isHungUp(reader), false);
  close(writer);
  assertEquals(isHungUp(reader), true);
  close(reader);
});
