/** What happens to files when something below them fails: the disk of the host is full, the VMM is killed. */
import { assertEquals, assertMatch } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { type PodContainer, ShimPod } from "../support/shim_pod.ts";
import { type StorageDriver, storageDrivers } from "../support/storage/drivers.ts";
import { HostVolumes } from "../support/storage/host_volumes.ts";

/** The file in which an emptyDir is kept, where it is a disk. */
const IMAGE = ".kata-volume.img";
const HOST_DISK_MIB = 48;
const EMPTY_DIRS = "kubelet/pods/uid/volumes/kubernetes.io~empty-dir";

/** A small file system of the host's below all emptyDirs of the pod. */
async function smallHostDisk(volumes: HostVolumes): Promise<string> {
  const image = `${volumes.folder}/host.img`, point = `${volumes.folder}/${EMPTY_DIRS}`;
  await output(["truncate", "-s", `${HOST_DISK_MIB}M`, image]);
  await output(["mkfs.ext4", "-q", "-F", "-m", "0", image]);
  await volumes.mount("-o", "loop", image, point);
  return point;
}

/** Whatever the guest's file system makes of it, the writer hears that its bytes are not safe. */
const TOLD = /No space left on device|I\/O error|Input\/output error|Read-only file system/;

async function fullDisk(
  pod: ShimPod,
  volumes: HostVolumes,
  rootfs: PodContainer,
  disk: string,
): Promise<void> {
  const source = await volumes.kubelet("empty-dir", "scratch");
  const container = { ...rootfs, mounts: [{ destination: "/v", source, options: ["rbind"] }] };
  assertEquals((await pod.run("echo first >/v/first && sync", container)).code, 0);
  await command(["dd", "if=/dev/zero", `of=${disk}/filler`, "bs=1M"]); // ends with ENOSPC
  const fill = "dd if=/dev/zero of=/v/big bs=64k count=256 conv=fsync; echo $?; echo alive";
  const { stdout, stderr } = await pod.run(fill, container);
  assertEquals(stdout, "1\nalive\n", stderr);
  assertMatch(stderr, TOLD);
  assertEquals((await pod.run("echo other", rootfs)).stdout, "other\n");
  await Deno.remove(`${disk}/filler`);
}

/** What a container wrote to an emptyDir, whose VM is gone. */
async function readVolume(volumes: HostVolumes, source: string, name: string): Promise<string> {
  const image = `${source}/${IMAGE}`, point = `${volumes.folder}/look`;
  if (!await Deno.stat(image).then(() => true, () => false)) {
    return await Deno.readTextFile(`${source}/${name}`);
  }
  await Deno.mkdir(point, { recursive: true });
  await output(["mount", "-o", "loop", image, point]);
  try {
    return await Deno.readTextFile(`${point}/${name}`);
  } finally {
    await output(["umount", point]);
  }
}

async function killedVmm(
  pod: ShimPod,
  volumes: HostVolumes,
  rootfs: PodContainer,
): Promise<void> {
  const source = await volumes.kubelet("empty-dir", "kept");
  const mounts = [{ destination: "/v", source, options: ["rbind"] }];
  const script = "yes precious | head -n 100000 | dd of=/v/f conv=fsync; echo synced; sleep 1000";
  const writing = await pod.launch(script, { ...rootfs, mounts });
  await pod.outputOf(writing.id, "synced\n");
  Deno.kill((await pod.pids()).get("qemu") ?? 0, "SIGKILL");
  assertEquals((await writing.wait()).code, 255);
  assertEquals(await readVolume(volumes, source, "f"), "precious\n".repeat(100_000));
}

async function pullThePlug(driver: StorageDriver, test: Deno.TestContext): Promise<void> {
  await using volumes = await HostVolumes.make();
  const disk = await smallHostDisk(volumes);
  const config = [...driver.config, ...volumes.config];
  const first = driver.podRootfs ? { rootfs: await driver.podRootfs(volumes) } : {};
  const rootfs = driver.rootfs ? { rootfs: await driver.rootfs(volumes) } : {};
  await using pod = await ShimPod.start(`plug-${driver.id}`, config, volumes.root, first);
  await test.step("a full disk of the host: the writer is told, nobody else notices", () =>
    fullDisk(pod, volumes, rootfs, disk));
  await test.step("kill -9 of the VMM: the container fails, what was fsynced is there", () =>
    killedVmm(pod, volumes, rootfs));
}

for (const driver of await storageDrivers()) {
  const why = driver.unavailable ? ` (${driver.unavailable})` : "";
  Deno.test({
    name: `pulling the plug, with ${driver.name}${why}`,
    ignore: driver.unavailable !== undefined,
    fn: async (test) => {
      const before = await snapshot();
      await pullThePlug(driver, test);
      assertEquals(await leaks(before), []);
    },
  });
}
