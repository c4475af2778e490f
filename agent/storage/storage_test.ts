import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import "./block.ts"; // which loads libc: not in the middle of a test
import { parseSize } from "./ephemeral.ts";
import { groupOf } from "./fs_group.ts";
import type { StorageRequest } from "./handlers.ts";
import { parseMode } from "./local.ts";
import { checkMountPoint, StorageTable } from "./storage.ts";
import { volumeStats } from "./volume_stats.ts";

function local(mountPoint: string, options: string[] = []): StorageRequest {
  return {
    driver: "local",
    driverOptions: [],
    source: "",
    fstype: "",
    options,
    mountPoint,
    shared: false,
  };
}

const noDisk = (): Promise<string> => Promise.reject(new Error("no disk"));

Deno.test("StorageTable makes a local folder with its mode", async () => {
  const dir = await Deno.makeTempDir();
  const table = new StorageTable(noDisk);
  const points = await table.add([local(`${dir}/a/`, ["mode=0711"])]);
  assertEquals(points, [`${dir}/a`]);
  assertEquals((await Deno.stat(`${dir}/a`)).mode, 0o40711);
  table.release(points);
  table.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("StorageTable names the storage that it cannot mount", async () => {
  const table = new StorageTable(noDisk);
  const unknown = { ...local("/x/y"), driver: "floppy" };
  await assertRejects(() => table.add([unknown]), RuntimeError, 'Unknown storage driver "floppy"');
  await assertRejects(
    () => table.add([{ ...local("/x/y"), driver: "constructor" }]),
    RuntimeError,
    "Unknown",
  );
  const disk = { ...local("/x/y"), driver: "blk", source: "/dev/vdz" };
  await assertRejects(
    () => table.add([disk]),
    RuntimeError,
    'blk storage "/dev/vdz" on "/x/y": no disk',
  );
});

Deno.test("checkMountPoint accepts plain absolute paths only", () => {
  assertEquals(checkMountPoint("/a/b/"), "/a/b");
  for (const bad of ["", "/", "a", "/a/../b", "/a/./b", "/a\0b"]) {
    assertThrows(() => checkMountPoint(bad), RuntimeError);
  }
});

Deno.test("options are read exactly, or refused", () => {
  assertEquals(parseMode("0755"), 0o755);
  assertEquals(parseSize("2M"), 2 << 20);
  assertEquals(parseSize("1Gi"), 2 ** 30);
  assertEquals(groupOf({ options: ["ro", "fsgid=1000"] }), 1000);
  assertEquals(groupOf({ options: ["ro"] }), undefined);
  fc.assert(fc.property(fc.string(), (text) => {
    for (
      const parse of [
        parseMode,
        parseSize,
        (value: string) => groupOf({ options: [`fsgid=${value}`] }),
      ]
    ) {
      try {
        const value = parse(text);
        if (!Number.isSafeInteger(value)) return false;
      } catch (error) {
        if (!(error instanceof RuntimeError)) return false;
      }
    }
    return true;
  }));
});

Deno.test("volumeStats adds up", async () => {
  const [bytes] = await volumeStats("/");
  assertEquals((bytes?.total ?? 0n) >= (bytes?.used ?? 0n) + (bytes?.available ?? 0n), true);
});
