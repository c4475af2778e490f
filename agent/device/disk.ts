/** Finds the device file of a disk by the names that hosts use. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { waitForDevice } from "./device_wait.ts";
import { pciBlockDevice, rescanScsi, scsiBlockDevice } from "./sysfs.ts";

/**
 * Waits for a disk.
 * - `blk`: `/dev/…`, or a PCI path of slots such as `02/03`.
 * - `mmioblk`: the name of a virtio-mmio disk, such as `vda`, or its path.
 * - `scsi`: `id:lun`.
 * @returns Absolute path of its device file.
 * @throws {RuntimeError} DeadlineExceeded, or InvalidArgument for an unknown driver or name.
 */
export async function findDisk(driver: string, source: string): Promise<string> {
  switch (driver) {
    case "blk":
      if (!source.startsWith("/dev/")) {
        return await waitForDevice(`PCI ${source}`, () => pciBlockDevice(source));
      }
      return await waitForFile(source);
    case "mmioblk":
      return await waitForFile(source.startsWith("/dev/") ? source : `/dev/${source}`);
    case "scsi":
      await rescanScsi(source);
      return await waitForDevice(`SCSI ${source}`, () => scsiBlockDevice(source));
    default:
      throw new RuntimeError(Code.InvalidArgument, `Unknown device type ${JSON.stringify(driver)}`);
  }
}

async function waitForFile(path: string): Promise<string> {
  return await waitForDevice(path, async () => await isBlockDevice(path) ? path : undefined);
}

async function isBlockDevice(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isBlockDevice === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
