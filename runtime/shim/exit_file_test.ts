import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { loadExit, parseExit, saveExit } from "./exit_file.ts";

Deno.test("saveExit and loadExit keep an exit in the bundle", () => {
  const bundle = Deno.makeTempDirSync();
  assertEquals(loadExit(bundle), undefined);
  const saved = { pid: 4711, exit: { status: 7, at: 1_700_000_000_123 } };
  saveExit(bundle, saved);
  assertEquals(loadExit(bundle), saved);
  Deno.removeSync(bundle, { recursive: true });
  saveExit(bundle, saved); // the bundle is gone: nothing to do, no error
});

Deno.test("parseExit never throws, and takes only whole records", () => {
  const whole = JSON.stringify({ pid: 1, exit: { status: 255, at: 1 } });
  fc.assert(fc.property(fc.nat(whole.length - 1), (cut) => {
    assertEquals(parseExit(whole.slice(0, cut)), undefined);
  }));
  fc.assert(fc.property(fc.json(), (text) => {
    assertEquals(parseExit(text), undefined);
  }));
  assertEquals(parseExit('{"pid":1,"exit":{"status":256,"at":1}}'), undefined);
});
