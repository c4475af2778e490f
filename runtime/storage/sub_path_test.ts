import { assertEquals } from "@std/assert";
import { parseMountInfo } from "../../common/linux/mountinfo.ts";
import { belowVolume } from "./sub_path.ts";

const MOUNTS = parseMountInfo(
  [
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
    "2 1 8:2 /lib /var/lib rw - ext4 /dev/sda2 rw",
    "3 2 0:9 / /var/lib/k/memory rw - tmpfs tmpfs rw",
    "4 2 8:2 /lib/k/disk/a/b /sub/0 rw - ext4 /dev/sda2 rw",
    "5 2 0:9 /c /sub/1 rw - tmpfs tmpfs rw",
    "6 2 8:2 /lib/k/disk2/a /sub/2 rw - ext4 /dev/sda2 rw",
    "7 2 8:1 /lib/k/disk/a /sub/3 rw - ext4 /dev/sda1 rw",
    "8 2 8:2 /lib/k/disk /sub/4 rw - ext4 /dev/sda2 rw",
  ].join("\n"),
);

Deno.test("belowVolume tells which part of a volume is bound, by the kernel's own account", () => {
  const below = (source: string, volume: string): string | undefined =>
    belowVolume(MOUNTS, source, volume);
  assertEquals(below("/sub/0", "/var/lib/k/disk"), "a/b");
  assertEquals(below("/sub/1", "/var/lib/k/memory"), "c");
  assertEquals(below("/sub/4", "/var/lib/k/disk"), "");
  assertEquals(below("/sub/2", "/var/lib/k/disk"), undefined);
  assertEquals(below("/sub/3", "/var/lib/k/disk"), undefined);
  assertEquals(below("/nowhere", "/var/lib/k/disk"), undefined);
});
