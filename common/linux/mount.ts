import { cString, libcFunction } from "./libc.ts";
import { type MountOptions, parseMountOptions } from "./mount_options.ts";
import { MNT_DETACH, MS_BIND, MS_REC, MS_REMOUNT } from "./mount_flags.ts";
import { mountsUnder } from "./mountinfo.ts";
import { check, isErrno } from "./syscall_error.ts";

export * from "./mount_flags.ts";
export { type MountOptions, parseMountOptions } from "./mount_options.ts";

const sys = {
  mount: libcFunction("mount", ["buffer", "buffer", "buffer", "u64", "buffer"]),
  umount2: libcFunction("umount2", ["buffer", "i32"]),
};

/** mount(2) copies one page and silently cuts what is longer. */
const MAX_DATA_BYTES = 4095;

/**
 * mount(2), as it is: a bind ignores other flags, and propagation must come alone; {@linkcode mountWithOptions}
 * takes care of both.
 * @param data File-system-specific options, comma-separated, at most 4095 bytes.
 * @throws {SyscallError} With the errno of mount(2).
 * @throws {RangeError} The data is too long.
 */
export function mount(
  source: string,
  target: string,
  fstype: string,
  flags: number,
  data = "",
): void {
  const bytes = cString(data);
  if (bytes.length - 1 > MAX_DATA_BYTES) {
    throw new RangeError(
      `Cannot mount "${target}": options of ${bytes.length - 1} bytes exceed ${MAX_DATA_BYTES}`,
    );
  }
  const result = sys.mount(cString(source), cString(target), cString(fstype), flags, bytes);
  check(result, "mount", target);
}

/**
 * Mounts with options written as in fstab or an OCI mount, in as many steps as the kernel needs.
 * Whatever step fails, nothing stays mounted.
 * @throws {SyscallError} With the errno of mount(2).
 */
export function mountWithOptions(
  source: string,
  target: string,
  fstype: string,
  options: readonly string[],
): void {
  const parsed = parseMountOptions(options);
  mount(source, target, fstype, parsed.flags, parsed.data);
  if (parsed.flags & MS_REMOUNT) return;
  try {
    finish(target, parsed);
  } catch (error) {
    unmount(target, MNT_DETACH);
    throw error;
  }
}

function finish(target: string, { flags, propagation }: MountOptions): void {
  const extra = flags & ~(MS_BIND | MS_REC);
  if (flags & MS_BIND && extra !== 0) mount("", target, "", MS_BIND | MS_REMOUNT | extra);
  for (const change of propagation) mount("", target, "", change);
}

/** umount2(2). @throws {SyscallError} EINVAL: not a mount point. EBUSY: in use. */
export function unmount(target: string, flags = 0): void {
  check(sys.umount2(cString(target), flags), "umount2", target);
}

/** Unmounts everything mounted on or below a path, youngest first; nothing there is fine. */
export function unmountTree(path: string, flags = 0): void {
  for (const { mountPoint } of mountsUnder(path).reverse()) {
    try {
      unmount(mountPoint, flags);
    } catch (error) {
      // Propagation from an earlier unmount, or MNT_DETACH of a parent, may have taken it along.
      if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
    }
  }
}
