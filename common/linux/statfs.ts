import { cString, libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = { statfs: libcFunction("statfs", ["buffer", "buffer"]) };
/** struct statfs on 64-bit Linux: longs for type, block size, blocks, free, available, files, free files. */
const STATFS_BYTES = 120;

/** Space and inodes of a file system. */
export interface FileSystemUse {
  readonly totalBytes: bigint;
  readonly freeBytes: bigint;
  /** What an unprivileged user may still take. */
  readonly availableBytes: bigint;
  readonly totalInodes: bigint;
  readonly freeInodes: bigint;
}

/** Type of a tmpfs. Source: linux/magic.h. */
export const TMPFS_MAGIC = 0x01021994;

/** Type of the file system that holds `path`, as linux/magic.h numbers it. @throws {SyscallError} */
export function fileSystemType(path: string): number {
  const fields = new BigUint64Array(STATFS_BYTES / 8);
  check(sys.statfs(cString(path), new Uint8Array(fields.buffer)), "statfs", path);
  return Number(fields[0] ?? 0n);
}

/** How full the file system is that holds `path`. @throws {SyscallError} With the errno of statfs(2). */
export function statfs(path: string): FileSystemUse {
  const fields = new BigUint64Array(STATFS_BYTES / 8);
  check(sys.statfs(cString(path), new Uint8Array(fields.buffer)), "statfs", path);
  const at = (index: number): bigint => fields[index] ?? 0n;
  const blockBytes = at(1);
  return {
    totalBytes: at(2) * blockBytes,
    freeBytes: at(3) * blockBytes,
    availableBytes: at(4) * blockBytes,
    totalInodes: at(5),
    freeInodes: at(6),
  };
}
