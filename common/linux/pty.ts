import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check } from "./syscall_error.ts";

const sys = { ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]) };
/** Source: asm-generic/ioctls.h. */
const TIOCGPTN = 0x80045430, TIOCSPTLCK = 0x40045431;

/** A new pseudo-terminal: its master, and the path of its slave. */
export interface Pty {
  readonly master: number;
  readonly slavePath: string;
}

/** Makes a pseudo-terminal; closing the master, which is the caller's to do, ends it. */
export function openPty(): Pty {
  using master = new OwnedFd(open("/dev/ptmx", O.RDWR | O.NOCTTY));
  const number = new Uint32Array(1);
  const bytes = new Uint8Array(number.buffer);
  check(sys.ioctl(master.fd, TIOCSPTLCK, bytes), "ioctl TIOCSPTLCK", "/dev/ptmx");
  check(sys.ioctl(master.fd, TIOCGPTN, bytes), "ioctl TIOCGPTN", "/dev/ptmx");
  return { master: master.release(), slavePath: `/dev/pts/${number[0]}` };
}
