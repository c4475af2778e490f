/** ResizeVolume: a mounted file system grows on a disk that the host has made larger. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { ext4Size, growExt4 } from "../../common/linux/ext4.ts";
import type { FileSystemSize } from "../../common/linux/file_system_size.ts";
import { type MountInfo, readMountInfo } from "../../common/linux/mountinfo.ts";
import { growXfs, xfsSize } from "../../common/linux/xfs.ts";

/** Has the kernel look how large a disk ("major:minor") is, which should have so many bytes. @returns Those it has. */
export type RefreshDisk = (numbers: string, expected: bigint) => Promise<bigint>;

interface Growable {
  readonly size: (mount: MountInfo) => FileSystemSize;
  readonly grow: (point: string, blocks: bigint) => Promise<void>;
}

const GROWABLE: ReadonlyMap<string, Growable> = new Map([
  ["ext4", { size: ({ source }) => ext4Size(source), grow: growExt4 }],
  ["xfs", { size: ({ mountPoint }) => xfsSize(mountPoint), grow: growXfs }],
]);

/**
 * Has the file system that is mounted at a path take up so many bytes of its disk, while it is used. The size that it
 * has is no change.
 * @throws {RuntimeError} NotFound: nothing is mounted there. InvalidArgument: fewer bytes than it has, or more than its
 * disk has. FailedPrecondition: mounted read-only. Unimplemented: not ext4 or xfs. Internal: the kernel refuses.
 */
export async function resizeVolume(
  path: string,
  bytes: bigint,
  refreshDisk: RefreshDisk,
): Promise<void> {
  const mount = mountAt(path), { device, mountPoint, fstype } = mount;
  const growable = growableOf(mount);
  const size = growable.size(mount), blocks = blocksFor(path, bytes, size);
  const disk = await refreshDisk(device, bytes);
  if (bytes > disk) {
    throw invalid(`Cannot grow volume "${path}" to ${bytes} bytes: its disk has ${disk}`);
  }
  if (blocks === size.blocks) return;
  try {
    await growable.grow(mountPoint, blocks);
  } catch (error) {
    throw new RuntimeError(
      Code.Internal,
      `Cannot grow the ${fstype} of volume "${path}" to ${bytes} bytes: ${messageOf(error)}`,
    );
  }
}

/** Exported for tests. @returns How many blocks so many bytes are. @throws {RuntimeError} InvalidArgument: fewer than now. */
export function blocksFor(
  path: string,
  bytes: bigint,
  { blockBytes, blocks }: FileSystemSize,
): bigint {
  const wanted = bytes / BigInt(blockBytes);
  if (wanted >= blocks) return wanted;
  const has = blocks * BigInt(blockBytes);
  throw invalid(`Cannot shrink volume "${path}" to ${bytes} bytes: its file system has ${has}`);
}

/** The topmost mount right at a path. */
function mountAt(path: string): MountInfo {
  const mount = readMountInfo().findLast(({ mountPoint }) => mountPoint === path);
  if (mount) return mount;
  throw new RuntimeError(Code.NotFound, `There is no volume ${JSON.stringify(path.slice(0, 256))}`);
}

function growableOf({ fstype, mountPoint, options, superOptions }: MountInfo): Growable {
  const growable = GROWABLE.get(fstype);
  if (!growable) {
    throw new RuntimeError(Code.Unimplemented, `Cannot grow the ${fstype} of "${mountPoint}"`);
  }
  if (!options.includes("ro") && !superOptions.includes("ro")) return growable;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `Cannot grow volume "${mountPoint}": it is mounted read-only`,
  );
}

function invalid(message: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, message);
}
