/** A disk that the host has made larger. */

const DEVICES = "/sys/dev/block";
/** Source: Linux, Documentation/ABI/stable/sysfs-block, "size". */
const SECTOR_BYTES = 512n;

/** The kernel changes a virtio disk's size when it gets to it and tells nobody without netlink, so it is asked. */
const TRIES = 100;
const PAUSE_MS = 50;

/**
 * Has the kernel look how large a disk is now.
 * @param numbers "major:minor".
 * @param expected How many bytes it should have; waited for in bounded time.
 * @returns How many bytes it has.
 */
export async function refreshedDiskBytes(
  numbers: string,
  expected: bigint,
  devices = DEVICES,
): Promise<bigint> {
  const folder = `${devices}/${numbers}`;
  await rescan(folder);
  let bytes = await bytesOf(folder);
  for (let left = TRIES; left > 0 && bytes < expected; left--) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    bytes = await bytesOf(folder);
  }
  return bytes;
}

/** SCSI disks are asked by the kernel when it is told to, virtio disks tell it. Source: Linux, drivers/scsi/scsi_sysfs.c. */
async function rescan(folder: string): Promise<void> {
  try {
    await Deno.writeTextFile(`${folder}/device/rescan`, "1", { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function bytesOf(folder: string): Promise<bigint> {
  return BigInt((await Deno.readTextFile(`${folder}/size`)).trim()) * SECTOR_BYTES;
}
