/** Drivers "blk", "mmioblk" and "scsi": a file system on a disk, which may still be on its way. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { mountWithOptions } from "../../common/linux/mount.ts";
import { run } from "../../common/linux/subprocess.ts";
import { applyFsGroup } from "./fs_group.ts";
import { parseMode } from "./local.ts";
import type { FindDisk, StorageRequest } from "./handlers.ts";

/** Whole for its users; tables are not written before they are used, so that a sparse image stays small. */
const MKFS_OPTIONS = [
  "-q",
  "-F",
  "-m",
  "0",
  "-E",
  "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
];
const MKFS_TIMEOUT_MS = 120_000;

/** @param findDisk Waits for the disk that the source names. */
export async function mountDisk(
  storage: StorageRequest,
  point: string,
  findDisk: FindDisk,
): Promise<void> {
  await mountDevice(storage, await findDisk(storage.driver, storage.source), point);
}

async function mountDevice(storage: StorageRequest, device: string, point: string): Promise<void> {
  const fresh = [...storage.driverOptions, ...storage.options].includes("create_filesystem");
  if (fresh) await makeFileSystem(device);
  await Deno.mkdir(point, { recursive: true });
  const options = storage.options.filter((option) => option !== "create_filesystem");
  mountWithOptions(device, point, storage.fstype || "ext4", options);
  if (fresh) await makeEmpty(point, storage.driverOptions);
  if (storage.fsGroup) await applyFsGroup(point, storage.fsGroup);
}

/** A new volume has nothing in it, and the owner and permissions of options `owner=0:1000` and `mode=2777` (octal). */
async function makeEmpty(point: string, options: readonly string[]): Promise<void> {
  await Deno.remove(`${point}/lost+found`);
  for (const option of options) {
    const owner = /^owner=(\d{1,10}):(\d{1,10})$/.exec(option);
    if (owner) await Deno.chown(point, Number(owner[1]), Number(owner[2]));
  }
  const mode = options.find((option) => option.startsWith("mode="));
  if (mode) await Deno.chmod(point, parseMode(mode.slice("mode=".length))); // last: chown clears bits
}

async function makeFileSystem(device: string): Promise<void> {
  const result = await run(["/sbin/mkfs.ext4", ...MKFS_OPTIONS, device], {
    timeoutMs: MKFS_TIMEOUT_MS,
  });
  if (result.code === 0) return;
  throw new RuntimeError(
    Code.Internal,
    `mkfs.ext4 on ${device} failed: ${result.stderr.slice(0, 1000)}`,
  );
}
