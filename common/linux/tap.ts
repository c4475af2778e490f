import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

const sys = {
  ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]),
  ioctlValue: libcFunction("ioctl", ["i32", "u64", "u64"]),
};

/** Source: linux/if_tun.h; struct ifreq of 40 bytes, name first, flags behind it. */
const TUNSETIFF = 0x400454ca, TUNSETIFF_BYTES = 40, NAME_BYTES = 16;
const TUNSETPERSIST = 0x400454cb, TUNSETOWNER = 0x400454cc;
const IFF_TAP = 0x0002, IFF_MULTI_QUEUE = 0x0100, IFF_NO_PI = 0x1000, IFF_VNET_HDR = 0x4000;

/**
 * Makes a tap device in the calling thread's network namespace (see inNetns), with headers by which checksums and
 * segmentation are left to whoever can do them cheapest. It lives as long as one of its descriptors is open anywhere.
 * @param queues One descriptor each.
 * @throws {SyscallError} EBUSY: the name is taken. ENOENT: no /dev/net/tun.
 */
export function createTap(name: string, queues: number): OwnedFd[] {
  using undo = new DisposableStack();
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0);
  const fds = Array.from({ length: queues }, () => {
    const fd = undo.use(new OwnedFd(open("/dev/net/tun", O.RDWR | O.NONBLOCK)));
    check(sys.ioctl(fd.fd, TUNSETIFF, tapRequest(name, flags)), "ioctl TUNSETIFF", name);
    return fd;
  });
  undo.move();
  return fds;
}

/** Keeps a tap device when its last descriptor is closed, until it is deleted. @throws {SyscallError} */
export function keepTap(fd: number): void {
  // SAFETY: the argument of this request is the number itself.
  check(sys.ioctlValue(fd, TUNSETPERSIST, 1), "ioctl TUNSETPERSIST", `fd ${fd}`);
}

/**
 * Lets a user open a tap device that was kept, in the calling thread's network namespace.
 * @throws {SyscallError} EBUSY: it is open.
 */
export function giveTap(name: string, uid: number): void {
  const [fd] = createTap(name, 1); // one that is there is opened
  using tap = fd;
  if (tap === undefined) return;
  // SAFETY: the argument of this request is the number itself.
  check(sys.ioctlValue(tap.fd, TUNSETOWNER, uid), "ioctl TUNSETOWNER", name);
}

function tapRequest(name: string, flags: number): Uint8Array {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= NAME_BYTES) throw new RangeError(`The interface name "${name}" is too long`);
  const request = new Uint8Array(TUNSETIFF_BYTES);
  request.set(bytes);
  new DataView(request.buffer).setUint16(NAME_BYTES, flags, true);
  return request;
}
