import { O, open } from "./fd.ts";
import type { FileSystemSize } from "./file_system_size.ts";
import { type IoctlRequest, longIoctl } from "./long_ioctl.ts";
import { OwnedFd } from "./owned_fd.ts";

/** _IOW('f', 16, __u64). Source: linux/fs/ext4/ext4.h. */
const RESIZE_FS: IoctlRequest = { number: 0x40086610, name: "EXT4_IOC_RESIZE_FS" };

/** Place and length of the superblock, in bytes. Source: Linux, Documentation/filesystems/ext4/super.rst. */
const SUPERBLOCK_AT = 1024, SUPERBLOCK_BYTES = 1024;
/** Members of struct ext4_super_block, by their offset. Source: as above. */
const BLOCKS_LO = 0x4, LOG_BLOCK_SIZE = 0x18, MAGIC = 0x38, INCOMPAT = 0x60, BLOCKS_HI = 0x150;
const EXT4_MAGIC = 0xef53, INCOMPAT_64BIT = 0x80;
/** 64 KiB, as a power of two above 1 KiB: the largest block. */
const MAX_LOG_BLOCK_SIZE = 6;

/**
 * How large the file system on a device is, mounted or not: statfs(2) leaves out what the file system itself takes.
 * @throws {RangeError} There is none.
 */
export function ext4Size(device: string): FileSystemSize {
  using file = Deno.openSync(device);
  file.seekSync(SUPERBLOCK_AT, Deno.SeekMode.Start);
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  return parseExt4Size(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

/** Exported for tests. @param bytes A superblock. @throws {RangeError} It is none. */
export function parseExt4Size(bytes: Uint8Array): FileSystemSize {
  if (bytes.length < SUPERBLOCK_BYTES) throw new RangeError("Not a whole ext4 superblock");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const logBlockSize = u32(LOG_BLOCK_SIZE);
  if (view.getUint16(MAGIC, true) !== EXT4_MAGIC || logBlockSize > MAX_LOG_BLOCK_SIZE) {
    throw new RangeError("Not an ext4 superblock");
  }
  const high = (u32(INCOMPAT) & INCOMPAT_64BIT) === 0 ? 0n : BigInt(u32(BLOCKS_HI));
  return { blockBytes: 1024 << logBlockSize, blocks: high << 32n | BigInt(u32(BLOCKS_LO)) };
}

/**
 * Has a mounted file system grow. The kernel rounds down where the last group would be too small to be of use.
 * @param point Where it is mounted.
 * @param blocks How many it shall have.
 * @throws {SyscallError} EROFS: mounted read-only. EINVAL: the disk has not so many. EPERM: it has errors. EBUSY: it grows already. EOPNOTSUPP:
 * made without what growing takes. Source: Linux, ext4_resize_fs().
 */
export async function growExt4(point: string, blocks: bigint): Promise<void> {
  using folder = new OwnedFd(open(point, O.RDONLY | O.DIRECTORY));
  const argument = new Uint8Array(BigUint64Array.of(blocks).buffer);
  await longIoctl(folder.fd, RESIZE_FS, argument, point);
}
