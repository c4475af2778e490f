import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { blocksFor, resizeVolume } from "./resize_volume.ts";

const noDisk = (): Promise<bigint> => Promise.reject(new Error("no disk"));

Deno.test("resizeVolume refuses what is no volume, and file systems that do not grow", async () => {
  await assertRejects(() => resizeVolume("/no/such", 1n, noDisk), RuntimeError, '"/no/such"');
  await assertRejects(() => resizeVolume("/proc", 1n, noDisk), RuntimeError, "the proc of");
});

Deno.test("blocksFor rounds down to whole blocks, and never below what is there", () => {
  const size = { blockBytes: 4096, blocks: 100n };
  assertEquals(blocksFor("/v", 409_600n, size), 100n);
  assertEquals(blocksFor("/v", 500_000n, size), 122n);
  assertThrows(() => blocksFor("/v", 409_599n, size), RuntimeError, "Cannot shrink");
  assertThrows(() => blocksFor("/v", 0n, size), RuntimeError, "its file system has 409600");
});
