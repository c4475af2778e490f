import { O, open } from "./fd.ts";
import type { FileSystemSize } from "./file_system_size.ts";
import { libcFunction } from "./libc.ts";
import { type IoctlRequest, longIoctl } from "./long_ioctl.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

const sys = { ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]) };
/** _IOR('X', 100, struct xfs_fsop_geom_v1), _IOW('X', 110, struct xfs_growfs_data). Source: linux/fs/xfs/libxfs/xfs_fs.h. */
const XFS_IOC_FSGEOMETRY_V1 = 0x80705864;
const GROWFSDATA: IoctlRequest = { number: 0x4010586e, name: "XFS_IOC_FSGROWFSDATA" };

/** struct xfs_fsop_geom_v1, and the offsets of its members. Source: as above. */
const GEOMETRY_BYTES = 112, BLOCK_SIZE = 0, MAX_INODE_PERCENT = 28, DATA_BLOCKS = 32;
/** struct xfs_growfs_data: blocks, 64 bits; share of inodes, 32 bits; padding. */
const GROW_BYTES = 16, GROW_MAX_INODE_PERCENT = 8;

function openFolder(point: string): OwnedFd {
  return new OwnedFd(open(point, O.RDONLY | O.DIRECTORY));
}

function geometryOf({ fd }: OwnedFd, point: string): DataView {
  const bytes = new Uint8Array(GEOMETRY_BYTES);
  check(sys.ioctl(fd, XFS_IOC_FSGEOMETRY_V1, bytes), "ioctl XFS_IOC_FSGEOMETRY_V1", point);
  return new DataView(bytes.buffer);
}

/**
 * How large the file system is.
 * @param point Where it is mounted.
 * @throws {SyscallError} ENOTTY: it is none.
 */
export function xfsSize(point: string): FileSystemSize {
  using folder = openFolder(point);
  const geometry = geometryOf(folder, point);
  return {
    blockBytes: geometry.getUint32(BLOCK_SIZE, true),
    blocks: geometry.getBigUint64(DATA_BLOCKS, true),
  };
}

/**
 * Has a mounted file system grow; which share of it inodes may take stays. The kernel rounds down where the last group
 * would be too small to be of use.
 * @param point Where it is mounted.
 * @param blocks How many it shall have.
 * @throws {SyscallError} EROFS: mounted read-only. EIO: the disk has not so many. EAGAIN: it grows already. Source:
 * Linux, xfs_growfs_data().
 */
export async function growXfs(point: string, blocks: bigint): Promise<void> {
  using folder = openFolder(point);
  const request = new DataView(new ArrayBuffer(GROW_BYTES));
  request.setBigUint64(0, blocks, true);
  const percent = geometryOf(folder, point).getUint32(MAX_INODE_PERCENT, true);
  request.setUint32(GROW_MAX_INODE_PERCENT, percent, true);
  await longIoctl(folder.fd, GROWFSDATA, new Uint8Array(request.buffer), point);
}
