import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseMountInfo, readMountInfo } from "./mountinfo.ts";

// The example of proc(5).
const LINE =
  "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";

Deno.test("parseMountInfo reads the manual's example", () => {
  assertEquals(parseMountInfo(`${LINE}\n`), [{
    id: 36,
    parentId: 35,
    device: "98:0",
    root: "/mnt1",
    mountPoint: "/mnt 2",
    options: ["rw", "noatime"],
    propagation: ["master:1", "shared:7"],
    fstype: "ext3",
    source: "/dev/root",
    superOptions: ["rw", "errors=continue"],
  }]);
});

Deno.test("parseMountInfo reads this machine's", () => {
  assertEquals(readMountInfo().some(({ mountPoint }) => mountPoint === "/proc"), true);
});

Deno.test("parseMountInfo gives back any path the kernel may write", () => {
  const escape = (text: string): string =>
    text.replace(
      /[ \t\n\\#]/g,
      (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
    );
  const path = fc.string({ unit: fc.constantFrom("a", "ä", " ", "\t", "\n", "\\", "#", "-", "0") })
    .map((text) => `/${text}`);
  fc.assert(fc.property(path, fc.array(fc.constantFrom("shared:1", "master:2")), (point, tags) => {
    const tail = [...tags, "-", "tmpfs", "tmpfs", "rw"].join(" ");
    const [entry] = parseMountInfo(`1 2 0:3 / ${escape(point)} rw ${tail}`);
    assertEquals(entry?.mountPoint, point);
    assertEquals(entry?.propagation, tags);
  }));
});

Deno.test("parseMountInfo refuses what is no mountinfo", () => {
  for (const line of ["x", "1 2 3:4 / /", LINE.replace(" - ", " "), "1 2 0:3 / /x rw - tmpfs"]) {
    assertThrows(() => parseMountInfo(line), SyntaxError, "mountinfo");
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseMountInfo(text);
    } catch (error) {
      assertEquals(error instanceof SyntaxError, true);
    }
  }));
});
