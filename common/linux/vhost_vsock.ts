import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import { SyscallError } from "./syscall_error.ts";

const sys = { ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]) };

/** _IOW(VHOST_VIRTIO, 0x60, __u64). Source: linux/vhost.h. */
const VHOST_VSOCK_SET_GUEST_CID = 0x4008af60;

/**
 * Gives an open /dev/vhost-vsock its context id, which is ours until the descriptor is closed.
 * @returns Whether it was free.
 * @throws {SyscallError} With the errno of ioctl(2), except EADDRINUSE.
 */
export function setVhostGuestCid(fd: number, cid: number): boolean {
  const argument = new BigUint64Array([BigInt(cid)]);
  // SAFETY: the kernel reads the eight bytes that the request names.
  if (sys.ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, new Uint8Array(argument.buffer)) === 0) return true;
  const number = errno();
  if (number === Errno.EADDRINUSE) return false;
  throw new SyscallError("ioctl VHOST_VSOCK_SET_GUEST_CID", `cid ${cid}`, number);
}
