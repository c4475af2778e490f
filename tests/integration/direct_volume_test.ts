/** Volumes that the guest mounts instead of the host grow while they are used. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { command, type CommandResult, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { fileSystemImage } from "../support/busybox_root.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { ShimPod } from "../support/shim_pod.ts";
import { type StorageDriver, storageDrivers } from "../support/storage/drivers.ts";
import { HostVolumes } from "../support/storage/host_volumes.ts";

const MIB = 1024 * 1024;
/** What a volume becomes, and what a file system takes of that for itself at most. */
const GROWN_MIB = 640, OWN_MIB = 96;
/** xfs wants 300 MiB at least. */
const XFS_MIB = 320;

/** A volume's disk, as a storage plugin manages it. */
interface PluginDisk {
  readonly fstype: "ext4" | "xfs";
  readonly device: string;
  readonly grow: () => Promise<void>;
  /** Fails when the file system is damaged; for when nobody uses it. */
  readonly check: () => Promise<void>;
}

function directVolume(...args: readonly string[]): Promise<CommandResult> {
  return command([`${DIST}/kata-runtime`, "direct-volume", ...args]);
}

async function succeeds(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await directVolume(...args);
  assertEquals([code, stderr], [0, ""]);
}

async function refuses(why: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await directVolume(...args);
  assertEquals(code, 1);
  assertStringIncludes(stderr, why);
}

/** How large the guest says that a volume is, in MiB as df rounds them. */
async function totalMib(volume: string): Promise<number> {
  const { usage: [bytes] } = JSON.parse((await directVolume("stats", volume)).stdout);
  return Math.ceil(bytes.total / MIB);
}

async function ext4File(volumes: HostVolumes): Promise<PluginDisk> {
  const device = `${volumes.folder}/volume.img`;
  await fileSystemImage("ext4", await volumes.plain("content"), device);
  return {
    ...{ fstype: "ext4", device },
    grow: () => Deno.truncate(device, GROWN_MIB * MIB),
    check: async () => void await output(["e2fsck", "-fn", device]),
  };
}

async function xfsDevice(volumes: HostVolumes): Promise<PluginDisk> {
  const { path: device, file } = await volumes.loop(XFS_MIB);
  await output(["mkfs.xfs", "-q", device]);
  const grow = async () => {
    await Deno.truncate(file, GROWN_MIB * MIB);
    await output(["losetup", "--set-capacity", device]);
  };
  const check = async () => void await output(["xfs_repair", "-n", device]);
  return { fstype: "xfs", device, grow, check };
}

/** Says how large the volume is in MiB, and again once it has grown; then what was written before and after. */
const WATCH =
  `mib() { df -m /v | awk 'END { print $2 }'; }; before=$(mib); echo old >/v/old; echo up
until [ $(mib) -gt ${GROWN_MIB - OWN_MIB} ]; do sleep 0.1; done
echo new >/v/new; sync; echo $before $(mib); cat /v/old /v/new`;

async function grows(driver: StorageDriver, pod: ShimPod, volumes: HostVolumes, disk: PluginDisk) {
  const rootfs = driver.rootfs ? { rootfs: await driver.rootfs(volumes) } : {};
  const { fstype, device } = disk, volume = `${volumes.folder}/volume-${fstype}`;
  const size = String(GROWN_MIB * MIB);
  await Deno.mkdir(volume);
  await refuses("is no direct-assigned volume", "resize", volume, size);
  await succeeds("add", volume, JSON.stringify({ "volume-type": "block", device, fstype }));
  try {
    await refuses("No running sandbox has the volume", "resize", volume, size);
    const mounts = [{ destination: "/v", type: "bind", source: volume, options: ["rbind"] }];
    const watching = await pod.launch(WATCH, { ...rootfs, mounts });
    await pod.outputOf(watching.id, "up\n");
    await refuses("on the host", "resize", volume, size);
    await disk.grow();
    await refuses("Cannot shrink volume", "resize", volume, String(16 * MIB));
    await succeeds("resize", volume, size);
    await succeeds("resize", volume, size);
    const { stdout, stderr } = await watching.wait();
    const [, sizes = "", ...kept] = stdout.split("\n");
    assertEquals(kept, ["old", "new", ""], stdout + stderr);
    const [before = 0, after = 0] = sizes.split(" ").map(Number);
    assert(before <= XFS_MIB && after <= GROWN_MIB, sizes);
    assertEquals(await totalMib(volume), after);
    await refuses("Cannot shrink volume", "resize", volume, String((GROWN_MIB - 1) * MIB));
    await pod.remove(watching.id);
  } finally {
    await succeeds("remove", volume);
  }
}

for (const driver of await storageDrivers()) {
  if (!driver.blockDriver) continue;
  Deno.test(`direct-assigned volumes grow, by ${driver.blockDriver}`, async (test) => {
    const before = await snapshot();
    {
      await using volumes = await HostVolumes.make();
      const disks = [await ext4File(volumes), await xfsDevice(volumes)];
      {
        const first = driver.podRootfs ? { rootfs: await driver.podRootfs(volumes) } : {};
        const config = [...driver.config, ...volumes.config];
        await using pod = await ShimPod.start(`grow-${driver.id}`, config, volumes.root, first);
        for (const disk of disks) {
          await test.step(disk.fstype, () => grows(driver, pod, volumes, disk));
        }
      }
      for (const { fstype, check } of disks) await test.step(`${fstype} is whole`, check);
    }
    assertEquals(await leaks(before), []);
  });
}
