import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { blockLayers } from "./block_rootfs.ts";
import { Disks } from "./disks.ts";
import { directVolumeFolder, parseMountInfo } from "./direct_volume.ts";
import { emptyDirImage, isEmptyVolume } from "./empty_dir_image.ts";
import { guestRootfs } from "./guest_rootfs.ts";
import { hostBlockDevices } from "./host_devices.ts";
import { volumeKind } from "./volume.ts";

const IMAGE = new URL(import.meta.url).pathname; // any file will do

Deno.test("blockLayers takes images as layers, and leaves everything else to the host", () => {
  const ext4 = { type: "ext4", source: IMAGE, options: ["loop", "discard"] };
  const layer = { path: IMAGE, source: "file", fstype: "ext4", readonly: false } as const;
  assertEquals(blockLayers([ext4]), [{ ...layer, options: ["discard"] }]);
  assertEquals(blockLayers([]), undefined);
  for (
    const other of [
      { type: "overlay", source: "overlay", options: [] },
      { type: "bind", source: IMAGE, options: ["rbind"] },
      { type: "ext4", source: "/nonexistent", options: [] },
      { type: "ext4", source: "/", options: [] },
      { type: "ext4", source: IMAGE, options: ["loop", "offset=1024"] },
    ]
  ) assertEquals(blockLayers([ext4, other]), undefined);
});

Deno.test("blockLayers stacks read-only layers only", () => {
  const erofs = { type: "erofs", source: IMAGE, options: ["loop"] };
  const ext4 = { type: "ext4", source: IMAGE, options: [] };
  const other = { ...ext4, source: `${IMAGE.slice(0, IMAGE.lastIndexOf("/"))}/disks.ts` };
  assertEquals(blockLayers([erofs, other])?.map(({ readonly }) => readonly), [true, false]);
  assertThrows(() => blockLayers([erofs, erofs]), RuntimeError, "twice");
  assertEquals(blockLayers([erofs])?.[0]?.options, ["ro"]);
  assertThrows(() => blockLayers([other, erofs]), RuntimeError, "only the last");
});

Deno.test("guestRootfs stacks with the lowest layer last, and writes where it can", () => {
  const erofs = blockLayers([{ type: "erofs", source: IMAGE, options: [] }])?.[0];
  const ext4 = blockLayers([{ type: "ext4", source: IMAGE, options: [] }])?.[0];
  if (!erofs || !ext4) throw new TypeError();
  const disk = { driver: "scsi", source: "0:0" } as const;
  const base = "/run/kata-containers/sandbox/storage/c";
  assertEquals(guestRootfs("c", [[ext4, disk]]).storages.length, 1);
  const memory = guestRootfs("c", [[erofs, disk], [erofs, disk]]).storages[2];
  assertEquals(memory?.options, [`lowerdir=${base}/layer1:${base}/layer0`]);
  assertEquals(memory?.driverOptions, ["io.katacontainers.fs-opt.overlay-rw"]);
  const written = guestRootfs("c", [[erofs, disk], [ext4, disk]]).storages[2];
  assertEquals(written?.options?.slice(0, 2), [
    `lowerdir=${base}/layer0`,
    `upperdir=${base}/layer1/upper`,
  ]);
});

Deno.test("Disks plugs a disk once, and unplugs it with its last holder", async () => {
  const calls: string[] = [];
  const disks = new Disks({
    attach: (device) => {
      calls.push(`attach ${device.kind}`);
      return Promise.resolve({ kind: "scsi", target: 0, lun: 3 });
    },
    detach: (id) => Promise.resolve(void calls.push(`detach ${id}`)),
    resizeDisk: () => Promise.reject(new Error("nobody asked for that")),
  });
  const disk = { path: IMAGE, source: "file", readonly: true } as const;
  assertEquals(await disks.attach("a", disk), { driver: "scsi", source: "0:3" });
  await Promise.all([disks.attach("b", disk), disks.attach("b", disk)]);
  await disks.release("a");
  assertEquals(calls, ["attach disk"]);
  await disks.release("b");
  await disks.release("b");
  assertEquals(calls, ["attach disk", "detach disk0"]);
  await assertRejects(() => disks.attach("a", { ...disk, path: "/nonexistent" }));
});

Deno.test("Disks has the VM see a disk that has grown, whole, and refuses anything else", async () => {
  const path = Deno.makeTempFileSync(), told: string[] = [];
  const disks = new Disks({
    attach: () => Promise.resolve({ kind: "mmio", name: "vda" }),
    detach: () => Promise.resolve(),
    resizeDisk: (id, bytes) => Promise.resolve(void told.push(`${id} ${bytes}`)),
  });
  Deno.truncateSync(path, 4096);
  assertEquals(await disks.grow(path, 4096), false);
  await disks.attach("a", { path, source: "file", readonly: true });
  await assertRejects(() => disks.grow(path, 4096), RuntimeError, "is read-only in the VM");
  await disks.attach("a", { path, source: "file", readonly: false });
  await assertRejects(() => disks.grow(path, 4097), RuntimeError, "it has 4096 on the host");
  Deno.truncateSync(path, 12288);
  assertEquals(await disks.grow(path, 8192), true);
  assertEquals(told, ["disk1 12288"]);
  Deno.truncateSync(path, 8192);
  await assertRejects(() => disks.grow(path, 8192), RuntimeError, "fewer than the 12288");
  assertEquals(told.length, 1);
  Deno.removeSync(path);
});

Deno.test("hostBlockDevices are those with a rule of their own", () => {
  const disk = { path: "/dev/x", type: "b", major: 8, minor: 1 };
  const own = { allow: true, type: "b", major: 8, minor: 1, access: "r" };
  const found = { containerPath: "/dev/x", major: 8, minor: 1, readonly: true };
  assertEquals(hostBlockDevices([disk], [own]), [found]);
  assertEquals(hostBlockDevices([disk], [{ allow: true, access: "rwm" }]), []);
  assertEquals(hostBlockDevices([disk], []), []);
});

Deno.test("parseMountInfo reads what storage plugins write, or says what is wrong", () => {
  const text = JSON.stringify({
    "volume-type": "block",
    device: "/dev/sda",
    fstype: "ext4",
    metadata: { fsGroup: "1000", fsGroupChangePolicy: "OnRootMismatch" },
    options: ["noatime"],
  });
  assertEquals(parseMountInfo(text), {
    ...{ device: "/dev/sda", fstype: "ext4", options: ["noatime"] },
    fsGroup: { groupId: 1000, onRootMismatch: true },
  });
  assertThrows(() => parseMountInfo(text.replace("/dev", "dev")), Error, "device");
  fc.assert(fc.property(fc.json(), (json) => {
    try {
      return parseMountInfo(json).device.startsWith("/");
    } catch (error) {
      return error instanceof Error && !(error instanceof TypeError);
    }
  }));
  assertEquals(directVolumeFolder("/vol?"), "/run/kata-containers/shared/direct-volumes/L3ZvbD8=");
});

Deno.test("volumeKind knows the kubelet's volumes by their paths", () => {
  const volume = (kind: string): string => `/k/pods/u/volumes/kubernetes.io~${kind}/v`;
  const kind = (source: string): string => volumeKind(source, "/x", "/k").kind;
  for (const changing of ["configmap", "secret", "projected", "downward-api"]) {
    assertEquals(kind(volume(changing)), "changing");
  }
  assertEquals(kind(volume("empty-dir")), "empty-dir");
  assertEquals(kind(`${volume("secret")}/key`), "plain");
  assertEquals(kind(`/other${volume("secret")}`), "plain");
  assertEquals(volumeKind("/dev/null", "/x", "/k"), { kind: "kernel-device", path: "/dev/null" });
});

Deno.test("emptyDirImage is sparse, is found again, and never takes a folder with files", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assertEquals(isEmptyVolume(folder), true);
    const { path, fresh } = emptyDirImage(folder);
    assertEquals([fresh, isEmptyVolume(folder)], [true, true]);
    const { size, blocks } = await Deno.stat(path);
    if (size < 16 * 1024 ** 2 || (blocks ?? 0) > 64) throw new Error(`${size} ${blocks}`);
    await new Deno.Command("mkfs.ext4", { args: ["-q", "-F", path, "16M"] }).output();
    assertEquals(emptyDirImage(folder).fresh, false);
    await Deno.mkdir(`${folder}/part`);
    assertEquals(isEmptyVolume(folder), true);
    await Deno.writeTextFile(`${folder}/file`, "");
    assertEquals(isEmptyVolume(folder), false);
    await Deno.remove(`${folder}/file`);
    await Deno.remove(path);
    assertEquals(isEmptyVolume(folder), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
