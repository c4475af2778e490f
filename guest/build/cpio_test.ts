import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Entry, writeCpio } from "./cpio.ts";
import { readCpio } from "./testing/read_cpio.ts";

const file = (path: string, text: string): Entry => ({
  kind: "file",
  path,
  mode: 0o644,
  data: new TextEncoder().encode(text),
});

const NAME = fc.stringMatching(/^[a-z0-9.\-_é]{1,9}$/).filter((name) =>
  name !== "." && name !== ".."
);
const PATH = fc.array(NAME, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const KIND: fc.Arbitrary<(path: string) => Entry> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((data) => (path: string): Entry => ({
    kind: "file",
    path,
    mode: 0o755,
    data,
  })),
  fc.constant((path: string): Entry => ({ kind: "directory", path, mode: 0o700 })),
  NAME.map((target) => (path: string): Entry => ({ kind: "symlink", path, mode: 0o777, target })),
  fc.nat(255).map((minor) => (path: string): Entry => ({
    kind: "device",
    type: "c",
    major: 5,
    minor,
    path,
    mode: 0o600,
  })),
);
const ENTRIES = fc.uniqueArray(fc.tuple(PATH, KIND), { selector: ([path]) => path })
  .map((pairs) => pairs.map(([path, make]) => make(path)));

Deno.test("writeCpio holds every entry, whatever it is", () => {
  fc.assert(fc.property(ENTRIES, (entries) => {
    const byPath = (a: Entry, b: Entry): number => a.path < b.path ? -1 : 1;
    assertEquals(readCpio(writeCpio(entries)), [...entries].sort(byPath));
  }));
});

Deno.test("writeCpio gives the same bytes in whatever order the entries come", () => {
  fc.assert(fc.property(ENTRIES, (entries) => {
    assertEquals(writeCpio([...entries].reverse()), writeCpio(entries));
  }));
});

Deno.test("writeCpio is read by another program as it was meant", async () => {
  const archive = writeCpio([file("b/c", "hello\n"), {
    kind: "directory",
    path: "b",
    mode: 0o755,
  }]);
  const child = new Deno.Command("busybox", {
    args: ["cpio", "-it"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(archive);
  await writer.close();
  const { stdout } = await child.output();
  assertEquals(new TextDecoder().decode(stdout), "b\nb/c\n");
});

Deno.test("writeCpio refuses paths that leave the root or come twice", () => {
  for (const path of ["/etc/x", "../x", "a//b", "a/./b", "", "a/"]) {
    assertThrows(() => writeCpio([file(path, "")]), Error, "not a plain relative path");
  }
  assertThrows(
    () => writeCpio([file("a", "1"), file("a", "2")]),
    Error,
    'Cannot archive "a": it is listed twice',
  );
});
