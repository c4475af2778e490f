import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { mount, MS, unmount, unmountTree } from "../../common/linux/mount.ts";
import { mountsUnder } from "../../common/linux/mountinfo.ts";
import { markedProcesses } from "../../runtime/hypervisor/clean_up.ts";
import { cleanUpFolder, type FolderShare } from "../../runtime/share_fs/folder_share.ts";
import { sandboxMounts } from "../../runtime/share_fs/sandbox_mounts.ts";
import { GUEST_SHARE, type HostMount } from "../../runtime/share_fs/share_fs.ts";
import { VirtioFsShare } from "../../runtime/share_fs/virtio_fs.ts";
import { Virtio9pShare } from "../../runtime/share_fs/virtio_9p.ts";

/** What the suite needs to know of a driver. */
interface Driver {
  readonly name: string;
  create(key: string, base: string): FolderShare;
}

const DAEMONS = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];
const daemon = [...DAEMONS, which("virtiofsd")].find((path) => path && exists(path));

const DRIVERS: readonly Driver[] = [
  {
    name: "virtio-9p",
    create: (sandboxKey, base) => new Virtio9pShare({ sandboxKey, base, ...NINE }),
  },
  {
    name: "virtio-fs",
    create: (sandboxKey, base) =>
      new VirtioFsShare({
        ...{ sandboxKey, base, stateDir: base.slice(0, base.lastIndexOf("/")) },
        daemon: {
          virtioFsDaemon: daemon ?? "",
          virtioFsCache: "auto",
          virtioFsExtraArgs: [],
          virtioFsQueueSize: 1024,
        },
      }),
  },
];

const NINE = { msize: 524288, cache: "mmap", securityModel: "passthrough" } as const;

function which(program: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder}/${program}`).find(exists);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A prepared share of its own folder, and a source folder beside it. */
class Bench implements AsyncDisposable {
  readonly share: FolderShare;

  private constructor(readonly driver: Driver, readonly base: string, readonly source: string) {
    this.share = driver.create("s1", base);
  }

  static async make(driver: Driver): Promise<Bench> {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    await Deno.mkdir(`${folder}/source/sub`, { recursive: true });
    await Deno.writeTextFile(`${folder}/source/file`, "hello");
    const bench = new Bench(driver, `${folder}/base`, `${folder}/source`);
    await bench.share.prepare();
    return bench;
  }

  /** What the guest would find at a path that the share returned. */
  seen(guestPath: string): string {
    assert(guestPath.startsWith(`${GUEST_SHARE}/`), guestPath);
    return this.share.exported + guestPath.slice(GUEST_SHARE.length);
  }

  mount(change: Partial<HostMount> = {}): Promise<string> {
    return this.share.shareMount("c1", {
      ...{ source: this.source, destination: "/data", readonly: "none" },
      ...{ recursive: false, follows: false },
      ...change,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await cleanUpFolder("s1", this.base);
    await cleanUpFolder("s1", this.base);
    await this.share[Symbol.asyncDispose]();
    assertEquals(mountsUnder(this.base), []);
    assertEquals([...Deno.readDirSync(this.base)], []);
    assertEquals(Deno.readTextFileSync(`${this.source}/file`), "hello");
    await Deno.remove(this.base.slice(0, -"/base".length), { recursive: true });
  }
}

function test(name: string, body: (bench: Bench) => Promise<void>): void {
  for (const driver of DRIVERS) {
    Deno.test({
      name: `${driver.name}: ${name}`,
      ignore: Deno.uid() !== 0 || (driver.name === "virtio-fs" && daemon === undefined),
      // The program's one reaper stays between tests.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        await using bench = await Bench.make(driver);
        await body(bench);
      },
    });
  }
}

test("shareRootfs shows a writable root file system with its submounts", async (bench) => {
  mount("tmpfs", `${bench.source}/sub`, "tmpfs", 0);
  try {
    await Deno.writeTextFile(`${bench.source}/sub/inner`, "");
    const seen = bench.seen(await bench.share.shareRootfs("c1", bench.source));
    assert(seen.endsWith("/c1/rootfs"));
    assertEquals(await Deno.readTextFile(`${seen}/file`), "hello");
    await Deno.stat(`${seen}/sub/inner`);
    await Deno.writeTextFile(`${seen}/new`, "from the guest");
    assertEquals(await Deno.readTextFile(`${bench.source}/new`), "from the guest");
  } finally {
    unmount(`${bench.source}/sub`);
  }
});

test("shareMount shows files and folders; read-only ones cannot be written on the host either", async (bench) => {
  const file = bench.seen(await bench.mount({ source: `${bench.source}/file`, readonly: "top" }));
  assertEquals(await Deno.readTextFile(file), "hello");
  await assertRejects(() => Deno.writeTextFile(file, "changed"), Error, "Read-only");
  const folder = bench.seen(await bench.mount());
  await Deno.writeTextFile(`${folder}/new`, "x");
});

for (const [readonly, below] of [["top", "writable"], ["all", "read-only too"]] as const) {
  test(`shareMount with readonly "${readonly}" leaves submounts ${below}`, async (bench) => {
    mount("tmpfs", `${bench.source}/sub`, "tmpfs", 0);
    try {
      const seen = bench.seen(await bench.mount({ readonly, recursive: true }));
      await assertRejects(() => Deno.writeTextFile(`${seen}/x`, ""), Error, "Read-only");
      const write = (): Promise<void> => Deno.writeTextFile(`${seen}/sub/x`, "");
      if (readonly === "all") await assertRejects(write, Error, "Read-only");
      else await write();
    } finally {
      unmount(`${bench.source}/sub`);
    }
  });
}

/** Makes the source a shared mount with a mount below it, as everything is on a host with systemd. */
function asSharedMount(path: string): Disposable {
  mount(path, path, "", MS.BIND);
  mount("", path, "", MS.SHARED);
  mount("tmpfs", `${path}/sub`, "tmpfs", 0);
  return { [Symbol.dispose]: () => unmountTree(path) };
}

test("what is taken back is not unmounted on the host, where mounts are shared", async (bench) => {
  using _ = asSharedMount(bench.source);
  for (const follows of [false, true]) {
    await bench.mount({ recursive: true, follows });
    await bench.share.shareRootfs("c1", bench.source);
    await bench.share.remove("c1");
    assertEquals(mountsUnder(`${bench.source}/sub`).length, 1);
  }
});

test("later mounts of the host show up where they are to follow, and nowhere else", async (bench) => {
  using _ = asSharedMount(bench.source);
  await Deno.mkdir(`${bench.source}/late`);
  const following = bench.seen(await bench.mount({ recursive: true, follows: true }));
  const fixed = bench.seen(await bench.mount({ recursive: true }));
  mount("tmpfs", `${bench.source}/late`, "tmpfs", 0);
  await Deno.writeTextFile(`${bench.source}/late/inner`, "");
  await Deno.stat(`${following}/late/inner`);
  await assertRejects(() => Deno.stat(`${fixed}/late/inner`), Deno.errors.NotFound);
});

test("nothing can be made beside what is shared, nor set-user-ID and device nodes be used", async (bench) => {
  const seen = bench.seen(await bench.share.shareRootfs("c1", bench.source));
  const top = bench.share.exported;
  await assertRejects(() => Deno.writeTextFile(`${top}/x`, ""), Error, "Read-only");
  await assertRejects(() => Deno.mkdir(`${top}/c1/x`), Error, "Read-only");
  const options = mountsUnder(seen).flatMap(({ options }) => options);
  assert(options.includes("nodev") && options.includes("nosuid"), options.join());
});

test("a mount keeps restrictions that its source had", async (bench) => {
  mount("tmpfs", `${bench.source}/sub`, "tmpfs", MS.NOEXEC);
  try {
    const seen = bench.seen(await bench.mount({ source: `${bench.source}/sub` }));
    assert(mountsUnder(seen)[0]?.options.includes("noexec"));
  } finally {
    unmount(`${bench.source}/sub`);
  }
});

test("remove takes back what one container had, and nothing else", async (bench) => {
  const own = bench.seen(await bench.share.shareRootfs("c1", bench.source));
  const volume = bench.seen(await bench.mount());
  const other = bench.seen(await bench.share.shareRootfs("c10", bench.source));
  await bench.share.remove("c1");
  await bench.share.remove("c1");
  await assertRejects(() => Deno.stat(own), Deno.errors.NotFound);
  await assertRejects(() => Deno.stat(volume), Deno.errors.NotFound);
  assertEquals(await Deno.readTextFile(`${other}/file`), "hello");
  await bench.share.shareRootfs("c1", bench.source);
});

test("a failure leaves nothing behind", async (bench) => {
  const before = mountsUnder(bench.base).length;
  await assertRejects(
    () => bench.share.shareRootfs("c1", "/nonexistent"),
    RuntimeError,
    "/nonexistent",
  );
  await assertRejects(() => bench.mount({ source: "/dev/null" }), RuntimeError, "it is a device");
  await assertRejects(
    () => bench.share.shareRootfs("../c1", bench.source),
    RuntimeError,
    "container id",
  );
  assertEquals(mountsUnder(bench.base).length, before);
  assertEquals([...Deno.readDirSync(bench.share.exported)], []);
  await bench.share.shareRootfs("c1", bench.source);
});

test("a second share of the same sandbox is refused, and the first one stays", async (bench) => {
  const second = bench.driver.create("s1", bench.base);
  await assertRejects(() => second.prepare(), RuntimeError, "there already");
  await second[Symbol.asyncDispose]();
  await bench.share.shareRootfs("c1", bench.source);
});

test("cleanUp never deletes what is no mount point of its own", async (bench) => {
  const folder = bench.share.exported.replace(/shared$/, "private");
  await Deno.writeTextFile(`${folder}/precious`, "data");
  await assertRejects(() => cleanUpFolder("s1", bench.base), RuntimeError, "precious");
  await Deno.remove(`${folder}/precious`);
});

test("a link in place of a mount point leads no unmount astray", async (bench) => {
  mount("tmpfs", `${bench.source}/sub`, "tmpfs", 0);
  const link = bench.share.exported.replace(/shared$/, "mounts/c1-link");
  try {
    await Deno.symlink(`${bench.source}/sub`, link);
    await assertRejects(() => cleanUpFolder("s1", bench.base), RuntimeError, "c1-link");
    assertEquals(mountsUnder(`${bench.source}/sub`).length, 1);
  } finally {
    await Deno.remove(link);
    unmount(`${bench.source}/sub`);
  }
});

test("storages and device name the same share", (bench) => {
  const [storage] = bench.share.storages, [device] = bench.share.devices;
  assert(device !== undefined && "tag" in device);
  assertEquals(storage?.source, device.tag);
  assertEquals(storage?.mountPoint, GUEST_SHARE);
  return Promise.resolve();
});

Deno.test({
  name: "what the configuration shows to every guest is there, read-only unless asked otherwise",
  ignore: Deno.uid() !== 0,
  async fn() {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    await Deno.mkdir(`${folder}/rw`);
    await Deno.writeTextFile(`${folder}/file`, "hello");
    const base = `${folder}/base`, sandboxKey = "s1";
    const mounts = sandboxMounts([`${folder}/file`, `${folder}/rw:rw`]);
    const share = new Virtio9pShare({ sandboxKey, base, sandboxMounts: mounts, ...NINE });
    await share.prepare();
    const seen = `${share.exported}/sandbox-mounts`;
    assertEquals(await Deno.readTextFile(`${seen}/file`), "hello");
    await assertRejects(() => Deno.writeTextFile(`${seen}/file`, "x"), Error, "os error 30");
    await Deno.writeTextFile(`${seen}/rw/new`, "kept");
    await share[Symbol.asyncDispose]();
    assertEquals(mountsUnder(base), []);
    assertEquals(await Deno.readTextFile(`${folder}/rw/new`), "kept");
    const missing = sandboxMounts([`${folder}/nosuch`]);
    const broken = new Virtio9pShare({ sandboxKey, base, sandboxMounts: missing, ...NINE });
    await assertRejects(() => broken.prepare(), RuntimeError, "nosuch");
    assertEquals([...Deno.readDirSync(base)], []);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "virtio-fs: the death of virtiofsd is noticed",
  ignore: Deno.uid() !== 0 || daemon === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const driver = DRIVERS.find(({ name }) => name === "virtio-fs");
    assert(driver);
    await using bench = await Bench.make(driver);
    for (const { pid } of markedProcesses(bench.base.slice(0, -"/base".length))) {
      Deno.kill(pid, "SIGKILL");
    }
    assertMatch(await bench.share.lost, /virtiofsd .* was killed by signal 9/);
  },
});
