import { assert, assertEquals, assertRejects } from "@std/assert";
import { create } from "@bufbuild/protobuf";
import { copyFile } from "../../agent/storage/copy_file.ts";
import { pollIdle } from "../../common/linux/poll.ts";
import { CopyFileRequestSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import { RuntimeError } from "../../common/base/errors.ts";
import { CopiedFiles } from "../../runtime/share_fs/copied_files.ts";
import { GUEST_FILES } from "../../runtime/share_fs/share_fs.ts";
import { writeAtomically } from "../support/storage/host_volumes.ts";

/** The host's part with the agent's, which writes to a folder here instead of in a guest. */
class Bench implements AsyncDisposable {
  readonly copies: CopiedFiles;
  /** Told of each path in the guest once it is copied. */
  copied: (path: string) => void = () => {};

  private constructor(readonly folder: string) {
    this.copies = new CopiedFiles(() =>
      Promise.resolve({
        copyFile: async (request) => {
          const whole = create(CopyFileRequestSchema, request);
          const path = whole.path.replace(GUEST_FILES, `${folder}/guest`);
          await copyFile(`${folder}/guest`, { ...whole, path });
          this.copied(path);
        },
      })
    );
  }

  static async make(): Promise<Bench> {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    await Deno.mkdir(`${folder}/source`);
    return new Bench(folder);
  }

  get source(): string {
    return `${this.folder}/source`;
  }

  /** Where a guest's path lies here. */
  async add(source = this.source): Promise<string> {
    const path = await this.copies.add("c1", source, "/data");
    return path.replace(GUEST_FILES, `${this.folder}/guest`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.copies[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
    await pollIdle();
  }
}

/** Waits until something is true of a folder, looking again at each of its events. */
async function until(folder: string, holds: () => Promise<boolean>): Promise<void> {
  using watcher = Deno.watchFs(folder);
  if (await holds()) return;
  for await (const _ of watcher) if (await holds()) return;
}

function test(name: string, body: (bench: Bench) => Promise<void>): void {
  Deno.test({
    name: `copied files: ${name}`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using bench = await Bench.make();
      await body(bench);
    },
  });
}

const read = (path: string): Promise<string> => Deno.readTextFile(path).catch(() => "");

test("a folder with all that is in it", async (bench) => {
  await Deno.mkdir(`${bench.source}/sub/deep`, { recursive: true });
  await Deno.writeTextFile(`${bench.source}/sub/deep/file`, "x".repeat(3 * 1024 * 1024));
  await Deno.chmod(`${bench.source}/sub`, 0o2750);
  await Deno.chown(`${bench.source}/sub/deep/file`, 12, 34);
  await Deno.symlink("/etc/passwd", `${bench.source}/link`);
  const copy = await bench.add();
  assertEquals((await Deno.stat(`${copy}/sub`)).mode, 0o42750);
  const { size, uid, gid } = await Deno.stat(`${copy}/sub/deep/file`);
  assertEquals([size, uid, gid], [3 * 1024 * 1024, 12, 34]);
  assertEquals(await Deno.readLink(`${copy}/link`), "/etc/passwd");
});

test("an atomic change shows all of the new files, and nothing old stays", async (bench) => {
  await writeAtomically(bench.source, "1", { key: "one", gone: "x" });
  const copy = await bench.add();
  assertEquals(await read(`${copy}/key`), "one");
  await writeAtomically(bench.source, "2", { key: "two", more: "new" });
  await Deno.remove(`${bench.source}/gone`);
  const names = (): string[] => [...Deno.readDirSync(copy)].map(({ name }) => name).sort();
  const done = ["..2", "..data", "key", "more"].join();
  await until(copy, () => Promise.resolve(names().join() === done));
  assertEquals([await read(`${copy}/key`), await read(`${copy}/more`)], ["two", "new"]);
});

test("a file alone keeps its inode when the host changes it", async (bench) => {
  const file = `${bench.folder}/hosts`;
  await Deno.writeTextFile(file, "before, and longer");
  const copy = await bench.add(file);
  const { ino } = await Deno.stat(copy);
  await Deno.writeTextFile(file, "after");
  await until(copy, async () => await read(copy) === "after");
  assertEquals((await Deno.stat(copy)).ino, ino);
});

test("new folders are followed too", async (bench) => {
  const copy = await bench.add();
  await Deno.mkdir(`${bench.source}/new`);
  await until(copy, () => Deno.stat(`${copy}/new`).then(() => true, () => false));
  await Deno.writeTextFile(`${bench.source}/new/file`, "x");
  await until(`${copy}/new`, async () => await read(`${copy}/new/file`) === "x");
});

test("what comes into a new folder before that is followed is not missed", async (bench) => {
  bench.copied = (path) => {
    if (path.endsWith("/new")) Deno.writeTextFileSync(`${bench.source}/new/file`, "x");
  };
  const copy = await bench.add();
  await Deno.mkdir(`${bench.source}/new`);
  await until(copy, () => Deno.stat(`${copy}/new`).then(() => true, () => false));
  await until(`${copy}/new`, async () => await read(`${copy}/new/file`) === "x");
});

test("a link that takes a file's place does not lead out of the folder", async (bench) => {
  await Deno.writeTextFile(`${bench.folder}/secret`, "secret");
  await Deno.mkdir(`${bench.source}/sub`);
  await Deno.writeTextFile(`${bench.source}/sub/file`, "x");
  const copy = await bench.add();
  await Deno.remove(`${bench.source}/sub`, { recursive: true });
  await Deno.symlink("..", `${bench.source}/sub`);
  const isLink = (): Promise<boolean> =>
    Deno.lstat(`${copy}/sub`).then(({ isSymlink }) => isSymlink, () => false);
  await until(copy, isLink);
  const all = await Array.fromAsync(Deno.readDir(copy));
  assertEquals(all.map(({ name }) => name), ["sub"]);
});

test("what is removed is gone, and is not followed any more", async (bench) => {
  await Deno.writeTextFile(`${bench.source}/file`, "x");
  const copy = await bench.add();
  await bench.copies.remove("c1");
  await bench.copies.remove("c1");
  await assertRejects(() => Deno.stat(copy), Deno.errors.NotFound);
});

test("what cannot be copied is refused with its name", async (bench) => {
  await assertRejects(() => bench.add("/nonexistent"), RuntimeError, "/nonexistent");
  await assertRejects(() => bench.add("/dev/null"), RuntimeError, "neither a file nor a folder");
  const large = `${bench.source}/large`;
  await Deno.writeTextFile(large, "");
  await Deno.truncate(large, 300 * 1024 * 1024);
  const error = await assertRejects(() => bench.add(), RuntimeError);
  assert(error instanceof RuntimeError && error.message.includes("bytes"), String(error));
});
