import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { type CopyFile, copyFile, splitPath } from "./copy_file.ts";

const FILE = 0o100000, FOLDER = 0o040000, LINK = 0o120000;

async function inRoot(body: (root: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(`${dir}/shared`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function request(path: string, text: string, more: Partial<CopyFile> = {}): CopyFile {
  const data = new TextEncoder().encode(text);
  const { uid, gid } = Deno.statSync("/proc/self");
  return {
    path,
    data,
    fileSize: BigInt(data.length),
    fileMode: FILE | 0o640,
    dirMode: 0o750,
    offset: 0n,
    uid: uid ?? 0,
    gid: gid ?? 0,
    ...more,
  };
}

Deno.test("copyFile shows a file under its name only when all pieces are there", async () => {
  await inRoot(async (root) => {
    const path = `${root}/c1/etc/file`;
    await copyFile(root, request(path, "hello ", { fileSize: 11n }));
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    await copyFile(root, request(path, "world", { fileSize: 11n, offset: 6n }));
    assertEquals(await Deno.readTextFile(path), "hello world");
    assertEquals((await Deno.stat(path)).mode, FILE | 0o640);
    await copyFile(root, request(path, "again"));
    assertEquals(await Deno.readTextFile(path), "again");
  });
});

Deno.test("copyFile makes folders and links", async () => {
  await inRoot(async (root) => {
    await copyFile(root, request(`${root}/d`, "", { fileMode: FOLDER | 0o700 }));
    await copyFile(root, request(`${root}/d`, "", { fileMode: FOLDER | 0o711 }));
    assertEquals((await Deno.stat(`${root}/d`)).mode, FOLDER | 0o711);
    await copyFile(root, request(`${root}/l`, "target", { fileMode: LINK | 0o777 }));
    await copyFile(root, request(`${root}/l`, "other", { fileMode: LINK | 0o777 }));
    assertEquals(await Deno.readLink(`${root}/l`), "other");
  });
});

Deno.test("copyFile removes what the host has no more, and follows no link in doing so", async () => {
  await inRoot(async (root) => {
    await copyFile(root, request(`${root}/d/sub/file`, "x"));
    await Deno.mkdir(`${root}-outside`);
    await Deno.writeTextFile(`${root}-outside/kept`, "x");
    await Deno.symlink(`${root}-outside`, `${root}/d/way`);
    const nothing = { fileMode: 0o020000 };
    await assertRejects(
      () => copyFile(root, request(`${root}/d/way/kept`, "", nothing)),
      RuntimeError,
    );
    await copyFile(root, request(`${root}/d`, "", nothing));
    await copyFile(root, request(`${root}/d`, "", nothing));
    await copyFile(root, request(`${root}/d/sub/file`, "", nothing));
    assertEquals([...Deno.readDirSync(root)], []);
    assertEquals(await Deno.readTextFile(`${root}-outside/kept`), "x");
  });
});

Deno.test("copyFile changes a file in place where a mount shows it", async () => {
  await inRoot(async (root) => {
    const path = `${root}/file`, inPlace = { fileMode: FILE | 0o1640 };
    await copyFile(root, request(path, "long content", inPlace));
    const { ino } = await Deno.stat(path);
    await copyFile(root, request(path, "short", inPlace));
    const after = await Deno.stat(path);
    assertEquals([await Deno.readTextFile(path), after.ino], ["short", ino]);
    assertEquals(after.mode, FILE | 0o640);
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["file"]);
  });
});

Deno.test("copyFile follows no link, neither on the way nor at the end", async () => {
  await inRoot(async (root) => {
    const outside = `${root}-outside`;
    await Deno.mkdir(`${root}/c1`, { recursive: true });
    await Deno.mkdir(outside);
    await Deno.symlink(outside, `${root}/c1/way`);
    await Deno.symlink(`${outside}/x`, `${root}/c1/end.tmp`);
    for (const path of ["c1/way/x", "c1/end"]) {
      const error = await assertRejects(
        () => copyFile(root, request(`${root}/${path}`, "data")),
        RuntimeError,
      );
      assertEquals((error as RuntimeError).code, Code.PermissionDenied);
    }
    assertEquals([...Deno.readDirSync(outside)], []);
  });
});

Deno.test("copyFile refuses more bytes than announced, and odd kinds of files", async () => {
  await inRoot(async (root) => {
    await assertRejects(
      () => copyFile(root, request(`${root}/f`, "toolong", { fileSize: 3n })),
      RuntimeError,
      "more bytes",
    );
    await assertRejects(
      () => copyFile(root, request(`${root}/f`, "", { fileMode: 0o010644 })),
      RuntimeError,
      "neither",
    );
  });
});

Deno.test("splitPath yields no part that leads elsewhere", () => {
  const part = fc.oneof(fc.constantFrom("..", ".", "", "a"), fc.string());
  fc.assert(fc.property(fc.array(part), (parts) => {
    try {
      const { folders, name } = splitPath("/root", `/root/${parts.join("/")}`);
      return [...folders, name].every((each) =>
        each !== ".." && each !== "." && each !== "" && !each.includes("/")
      );
    } catch (error) {
      return error instanceof RuntimeError;
    }
  }));
  for (const bad of ["/etc/passwd", "/rootx/a", "/root", "/root/", "root/a"]) {
    assertThrows(() => splitPath("/root", bad), RuntimeError);
  }
});
