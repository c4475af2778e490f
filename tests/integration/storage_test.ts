import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { type PodMount, type PodResult, ShimPod } from "../support/shim_pod.ts";
import { FEW_FILES } from "../support/storage/posix_tools.ts";
import { HostVolumes, writeAtomically } from "../support/storage/host_volumes.ts";
import {
  POSIX_DIFFERENCES,
  posixProblems,
  rootlessDrivers,
  type StorageDriver,
  storageDrivers,
} from "../support/storage/drivers.ts";

/** Changes of a ConfigMap must be seen within this, by the clock of the host. */
const LIVE_MS = 2_000;

/** How soon the end of a helper must be noticed. */
const NOTICE_MS = 5_000;

const withDaemon = (await storageDrivers()).find(({ kind, unavailable }) =>
  kind.startsWith("virtio-fs") && !unavailable
);

function bind(source: string, destination: string, ...options: string[]): PodMount {
  return { destination, type: "bind", source, options: ["rbind", ...options] };
}

/** The output of a container that must succeed. */
function okay({ code, stdout, stderr }: PodResult): string {
  assertEquals(code, 0, stderr + stdout);
  return stdout;
}

async function inPod(
  driver: StorageDriver,
  body: (pod: ShimPod, volumes: HostVolumes, test: Deno.TestContext) => Promise<void>,
  test: Deno.TestContext,
): Promise<void> {
  const before = await snapshot();
  {
    await using volumes = await HostVolumes.make();
    const config = [...driver.config, ...volumes.config];
    const first = driver.podRootfs ? { rootfs: await driver.podRootfs(volumes) } : {};
    await using pod = await ShimPod.start(`store-${driver.id}`, config, volumes.root, first);
    await body(pod, volumes, test);
  }
  assertEquals(await leaks(before), []);
}

/** One pod a driver; what is common to all drivers is asked of each. */
for (const driver of [...await storageDrivers(), ...await rootlessDrivers()]) {
  const title = `storage by ${driver.name}${driver.unavailable ? ` (${driver.unavailable})` : ""}`;
  Deno.test({
    name: title,
    ignore: driver.unavailable !== undefined,
    fn: (test) => inPod(driver, (pod, volumes) => everyDriver(driver, pod, volumes, test), test),
  });
}

async function everyDriver(
  driver: StorageDriver,
  pod: ShimPod,
  volumes: HostVolumes,
  test: Deno.TestContext,
): Promise<void> {
  const rootfs = driver.rootfs ? { rootfs: await driver.rootfs(volumes) } : {};

  await test.step("the VMM runs as whom it should", async () => {
    const status = await Deno.readTextFile(`/proc/${(await pod.pids()).get("qemu")}/status`);
    const ids = /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$/m.exec(status)?.slice(1) ?? [];
    assertEquals(new Set(ids).size, 1, status);
    assertEquals(ids[0] !== "0", driver.rootless ?? false);
    assertEquals(/^CapEff:\t0+$/m.test(status), driver.rootless ?? false, status);
  });

  await test.step("a root file system does what POSIX and containers ask", async () => {
    const script = `mkdir /cases && posix_cases /cases ${FEW_FILES}`;
    const allowed = POSIX_DIFFERENCES[driver.kind];
    const stdout = okay(await pod.run(script, rootfs));
    assertMatch(stdout, /^many files: ok$/m);
    assertEquals(posixProblems(stdout).filter(({ name }) => !allowed.includes(name)), []);
  });

  await test.step("folders and files of the host, read-only where asked", async () => {
    const folder = await volumes.plain("data");
    const mounts = [
      bind(folder, "/data", "rw"),
      bind(folder, "/locked", "ro"),
      bind(`${folder}/file`, "/single", "ro"),
      bind("/dev/null", "/masked"),
    ];
    const script = "cat /data/file /single; echo; echo x >/locked/no; echo x >/single; cat /masked";
    const { stdout, stderr } = await pod.run(script, { ...rootfs, mounts });
    assertEquals(stdout, "from the hostfrom the host\n");
    assertEquals(stderr.match(/Read-only file system/g)?.length, 2, stderr);
    assertEquals(await Deno.readTextFile(`${folder}/file`), "from the host");
  });

  await test.step("a ConfigMap changes in the guest within 2 s, in one step, with an event", async () => {
    const volume = await volumes.kubelet("configmap", "settings");
    await writeAtomically(volume, "1", { key: "one", other: "1" });
    // The kubelet removes the old folder after the step, so a reader of the moment may still see it.
    const script = "cat /cm/key; echo; await_rename /cm; cat /cm/key /cm/other; echo; " +
      "while [ -e /cm/..1 ]; do sleep 0.1; done; ls -A /cm";
    const watching = await pod.launch(script, { ...rootfs, mounts: [bind(volume, "/cm", "ro")] });
    await pod.outputOf(watching.id, "one\nwatching\n");
    const since = Date.now();
    await writeAtomically(volume, "2", { key: "two", other: "2" });
    await pod.outputOf(watching.id, "one\nwatching\n..data\ntwo2\n");
    const took = Date.now() - since;
    assert(took < LIVE_MS || Deno.env.has("KATA_TEST_SLOW"), `${took} ms`);
    const lines = okay(await watching.wait()).split("\n");
    assertEquals(lines.slice(4), ["..2", "..data", "key", "other", ""]);
    await pod.remove(watching.id);
  });

  await test.step("an emptyDir is one for all containers, holds sockets, and keeps its owner", async () => {
    const volume = await volumes.kubelet("empty-dir", "scratch", 0o2775);
    await Deno.chown(volume, 0, 1234);
    const mounts = [bind(volume, "/scratch", "rw")];
    const script =
      "stat -c '%a %g' /scratch; mkdir /scratch/c; posix_cases /scratch/c 10 | grep -E '^(sockets|pipes)'; echo kept >/scratch/f";
    const { stdout, stderr } = await pod.run(script, { ...rootfs, mounts });
    assertEquals([stdout, stderr], ["2775 1234\npipes: ok\nsockets: ok\n", ""]);
    assertEquals(okay(await pod.run("cat /scratch/f", { ...rootfs, mounts })), "kept\n");
  });

  await test.step("a part of an emptyDir is the same for who has all of it, on disk and in memory", async () => {
    for (const medium of ["part-disk", "part-memory"]) {
      const volume = await volumes.kubelet("empty-dir", medium);
      if (medium === "part-memory") await volumes.mount("-t", "tmpfs", "tmpfs", volume);
      const whole = { ...rootfs, mounts: [bind(volume, "/all", "rw")] };
      okay(await pod.run("echo first >/all/first", whole));
      const part = {
        ...rootfs,
        mounts: [bind(await volumes.subPath(medium, "a/b"), "/part", "rw")],
      };
      okay(await pod.run("ls /part; echo second >/part/second", part));
      assertEquals(okay(await pod.run("cat /all/first /all/a/b/second", whole)), "first\nsecond\n");
      assertEquals(okay(await pod.run("cat /part/second", part)), "second\n");
    }
  });

  await test.step("an emptyDir in memory and /dev/shm have the host's sizes, and say when they are full", async () => {
    const memory = await volumes.kubelet("empty-dir", "memory");
    await volumes.mount("-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", memory);
    const shm = `${volumes.folder}/shm`;
    await volumes.mount("-t", "tmpfs", "-o", "size=2m,mode=1777", "shm", shm);
    const mounts = [bind(memory, "/memory", "rw"), bind(shm, "/dev/shm", "rw")];
    const script =
      "for d in /memory /dev/shm; do df -k $d | tail -n 1 | awk '{print $2}'; dd if=/dev/zero of=$d/big bs=64k count=64; rm $d/big; done 2>&1";
    const { stdout } = await pod.run(script, { ...rootfs, mounts });
    assertEquals(stdout.match(/^\d+$/gm), ["1024", "2048"], stdout);
    assertEquals(stdout.match(/No space left on device/g)?.length, 2, stdout);
    okay(await pod.run("echo shared >/dev/shm/x", { ...rootfs, mounts }));
    assertEquals(okay(await pod.run("cat /dev/shm/x", { ...rootfs, mounts })), "shared\n");
  });

  await test.step("a disk of the host as a raw device, by the guest's own numbers", async () => {
    const { major, minor, file } = await volumes.loop(8);
    const rule = { allow: true, type: "b", major, minor, access: "rwm" };
    const container = {
      ...rootfs,
      devices: [{ path: "/dev/data", type: "b", major, minor, fileMode: 0o660 }],
      resources: { devices: [{ allow: false, access: "rwm" }, rule] },
    };
    const script =
      "printf raw | dd of=/dev/data conv=sync,fsync bs=512 2>/dev/null; head -c 3 /dev/data";
    assertEquals(okay(await pod.run(script, container)), "raw");
    const { stderr } = await pod.run("head -c 3 /dev/data", {
      ...rootfs,
      devices: container.devices,
    });
    assertMatch(stderr, /No such file/, "a disk without a rule of its own is not given");
    assertEquals((await Deno.readFile(file)).subarray(0, 3), new TextEncoder().encode("raw"));
  });

  await test.step("no disk of the guest can be reached by making a node of it", async () => {
    const script =
      "for n in 8:0 8:16 253:0 254:0 259:0; do mknod /dev/n b ${n%:*} ${n#*:}; head -c 1 /dev/n; rm -f /dev/n; done";
    const { stdout, stderr } = await pod.run(script, rootfs);
    assertEquals(stdout, "");
    assertEquals(stderr.match(/(not permitted|Permission denied)/g)?.length, 5, stderr);
  });
}

Deno.test({
  name:
    "kill -9 of virtiofsd fails the containers, and a volume that is not there fails its own alone",
  ignore: withDaemon === undefined,
  fn: (test) =>
    inPod(withDaemon ?? neverUsed(), async (pod, volumes) => {
      const missing = { mounts: [bind(`${volumes.folder}/missing`, "/x", "rw")] };
      await assertRejects(() => pod.run("true", missing), Error, "missing");
      const running = await pod.launch("echo up; sleep 1000");
      const since = Date.now();
      const daemon = (await pod.pids()).get("virtiofsd");
      assert(daemon !== undefined);
      Deno.kill(daemon, "SIGKILL");
      assertEquals((await running.wait()).code, 255);
      assert(Date.now() - since < NOTICE_MS || Deno.env.has("KATA_TEST_SLOW"));
    }, test),
});

function neverUsed(): never {
  throw new TypeError("the test is ignored");
}

const blocks = (await storageDrivers()).filter(({ blockDriver, unavailable }) =>
  blockDriver && !unavailable
);
for (const driver of blocks) {
  Deno.test(`block root file systems by ${driver.blockDriver}`, (test) =>
    inPod(driver, (pod, volumes) => blockRootfs(pod, volumes, test), test));
}

async function blockRootfs(
  pod: ShimPod,
  volumes: HostVolumes,
  test: Deno.TestContext,
): Promise<void> {
  const images = {
    ext4: await volumes.image("ext4"),
    xfs: await volumes.image("xfs"),
    erofs: await volumes.image("erofs"),
  };
  for (const type of ["ext4", "xfs"] as const) {
    await test.step(`${type}, and the host reads what was written`, async () => {
      const rootfs = [{ type, source: images[type], options: ["loop"] }];
      const script = "grep ' / ' /proc/mounts; echo written >/here; mkdir /c && posix_cases /c 100";
      const stdout = okay(await pod.run(script, { rootfs }));
      assertMatch(stdout, new RegExp(`^/dev/[a-z]+ / ${type} `));
      assertEquals(posixProblems(stdout), []);
      assertEquals(await readThrough(volumes, images[type], "here"), "written\n");
    });
  }

  await test.step("read-only layers are stacked; what is written goes to the topmost or to memory", async () => {
    const lower = { type: "erofs", source: images.erofs, options: ["loop"] };
    const small = { type: "erofs", source: await volumes.smallLayer(), options: ["ro"] };
    const script = "grep ' / ' /proc/mounts; cat /layer; rm /layer; echo new >/layer; cat /layer";
    const stdout = okay(await pod.run(script, { rootfs: [lower, small] }));
    assertMatch(stdout, /^overlay \/ overlay [^\n]*\non top\nnew\n$/);
    const upper = { type: "ext4", source: images.ext4, options: [] };
    okay(await pod.run("cat /here 2>/dev/null; echo top >/top", { rootfs: [lower, upper] }));
    assertEquals(await readThrough(volumes, images.ext4, "upper/top"), "top\n");
  });

  await test.step("a loop device, a file system that is full, and one that is read-only", async () => {
    const device = (await output(["losetup", "--find", "--show", images.ext4])).trim();
    try {
      const rootfs = [{ type: "ext4", source: device, options: [] }];
      const full = await pod.run("dd if=/dev/zero of=/big bs=1M; rm /big; echo alive", { rootfs });
      assertStringIncludes(full.stderr, "No space left on device");
      assertEquals(full.stdout, "alive\n");
      const options = ["ro"];
      const locked = await pod.run("echo x >/no", {
        rootfs: [{ type: "ext4", source: device, options }],
      });
      assertStringIncludes(locked.stderr, "Read-only file system");
    } finally {
      await output(["losetup", "--detach", device]);
    }
  });

  await test.step("many containers, one after the other, leave no disk in the VM", async () => {
    const rootfs = [{ type: "erofs", source: images.erofs, options: [] }];
    const count = Number(Deno.env.get("KATA_TEST_MANY") ?? 10);
    const disks = async (): Promise<string> =>
      okay(await pod.run("ls /sys/block | grep -cE '^(sd|vd)'", { rootfs }));
    const before = await disks(); // this container's own among them
    for (let n = 0; n < count; n++) okay(await pod.run("true", { rootfs }));
    assertEquals(await disks(), before);
  });
}

async function readThrough(volumes: HostVolumes, image: string, path: string): Promise<string> {
  const point = `${volumes.folder}/look`;
  await Deno.mkdir(point, { recursive: true });
  await output(["mount", "-o", "loop,ro", image, point]);
  try {
    return await Deno.readTextFile(`${point}/${path}`);
  } finally {
    await output(["umount", point]);
  }
}
