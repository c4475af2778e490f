import { cString, libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = { mknod: libcFunction("mknod", ["buffer", "u32", "u64"]) };

/** Source: inode(7). */
const S_IFIFO = 0o010000, S_IFBLK = 0o060000;

/** Makes a FIFO. @throws {SyscallError} EEXIST: something has that name. */
export function makeFifo(path: string, mode: number): void {
  check(sys.mknod(cString(path), S_IFIFO | mode, 0), "mknod", path);
}

/**
 * Makes a file that is a block device.
 * @param rdev The device's numbers, as stat(2) has them.
 * @throws {SyscallError} EEXIST. EPERM: not root.
 */
export function makeBlockDevice(path: string, mode: number, rdev: number): void {
  check(sys.mknod(cString(path), S_IFBLK | mode, rdev), "mknod", path);
}
