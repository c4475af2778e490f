import { O } from "./fd.ts";
import { cString, libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = { syscall: libcFunction("syscall", ["i64", "i64", "buffer", "buffer", "usize"]) };
/** The same number on every architecture. Source: asm-generic/unistd.h. */
const SYS_OPENAT2 = 437;
const OPEN_HOW_BYTES = 24;

/** How far a path may lead. Source: linux/openat2.h. */
export const RESOLVE = {
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  /** Refuse with EXDEV whatever leads out of the folder. */
  BENEATH: 0x08,
  /** Treat the folder as root: absolute links and `..` stay inside. */
  IN_ROOT: 0x10,
} as const;

export interface OpenHow {
  /** Of {@linkcode O}; close-on-exec is added. */
  readonly flags: number;
  /** Of {@linkcode RESOLVE}. */
  readonly resolve: number;
  /** Of a file that O.CREAT makes. */
  readonly mode?: number;
}

/**
 * Opens a path below a folder under rules that no link can break, as one must in a container's root file system.
 * @throws {SyscallError} With the errno of openat2(2): EXDEV, ELOOP when the rules were broken.
 */
export function openat2(dirfd: number, path: string, how: OpenHow): number {
  const bytes = new Uint8Array(OPEN_HOW_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(how.flags | O.CLOEXEC), true);
  view.setBigUint64(8, BigInt(how.mode ?? 0), true);
  view.setBigUint64(16, BigInt(how.resolve), true);
  return check(
    sys.syscall(SYS_OPENAT2, dirfd, cString(path), bytes, bytes.length),
    "openat2",
    path,
  );
}
