import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

const sys = { ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]) };
/** Source: linux/random.h. */
const RNDADDENTROPY = 0x40085203, RNDRESEEDCRNG = 0x5207;
/** More than the pool can use; bounds what a peer may send. */
const MAX_ENTROPY_BYTES = 4096;

/**
 * Feeds true randomness to the kernel's generator, credited in full, and reseeds it at once: how clones of one
 * memory image come to differ.
 * @throws {SyscallError} EPERM: not privileged.
 * @throws {RangeError} Nothing, or more than 4096 bytes.
 */
export function addEntropy(bytes: Uint8Array): void {
  if (bytes.length === 0 || bytes.length > MAX_ENTROPY_BYTES) {
    throw new RangeError(`Entropy must be 1 to ${MAX_ENTROPY_BYTES} bytes, not ${bytes.length}`);
  }
  const info = new Uint8Array(8 + bytes.length); // struct rand_pool_info: bits, bytes, data
  const view = new DataView(info.buffer);
  view.setInt32(0, bytes.length * 8, true);
  view.setInt32(4, bytes.length, true);
  info.set(bytes, 8);
  using device = new OwnedFd(open("/dev/urandom", O.RDWR));
  check(sys.ioctl(device.fd, RNDADDENTROPY, info), "ioctl RNDADDENTROPY", "/dev/urandom");
  check(sys.ioctl(device.fd, RNDRESEEDCRNG, null), "ioctl RNDRESEEDCRNG", "/dev/urandom");
}
