import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = {
  ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]),
  tcgetattr: libcFunction("tcgetattr", ["i32", "buffer"]),
  tcsetattr: libcFunction("tcsetattr", ["i32", "i32", "buffer"]),
  cfmakeraw: libcFunction("cfmakeraw", ["buffer"]),
};

/** Requests of ioctl_tty(2). Source: asm-generic/ioctls.h, the same on x86-64 and arm64. */
const TCGETS = 0x5401, TIOCGWINSZ = 0x5413, TIOCSWINSZ = 0x5414;
/** Ample for struct termios: 36 bytes in the kernel, 60 in glibc. */
const TERMIOS_BYTES = 64;

/** A terminal's size in character cells. */
export interface WindowSize {
  readonly rows: number;
  readonly cols: number;
}

/** Whether the descriptor is a terminal (either side of a pty), be it hung up or not. */
export function isTerminal(fd: number): boolean {
  return sys.ioctl(fd, TCGETS, new Uint8Array(TERMIOS_BYTES)) === 0 || errno() === Errno.EIO;
}

/** Sets a terminal's size; its foreground processes get SIGWINCH. @throws {SyscallError} ENOTTY: no terminal. */
export function setWindowSize(fd: number, rows: number, cols: number): void {
  const size = new Uint16Array([rows, cols, 0, 0]);
  check(sys.ioctl(fd, TIOCSWINSZ, new Uint8Array(size.buffer)), "ioctl TIOCSWINSZ", `fd ${fd}`);
}

/** A terminal's size. @throws {SyscallError} ENOTTY: no terminal. */
export function windowSize(fd: number): WindowSize {
  const size = new Uint16Array(4);
  check(sys.ioctl(fd, TIOCGWINSZ, new Uint8Array(size.buffer)), "ioctl TIOCGWINSZ", `fd ${fd}`);
  return { rows: size[0] ?? 0, cols: size[1] ?? 0 };
}

/**
 * Makes a terminal pass bytes on as they are, in both directions. Source: termios(3), "Raw mode".
 * @returns Sets it back as it was.
 * @throws {SyscallError} ENOTTY: no terminal.
 */
export function makeRaw(fd: number): () => void {
  const before = new Uint8Array(TERMIOS_BYTES);
  check(sys.tcgetattr(fd, before), "tcgetattr", `fd ${fd}`);
  const raw = before.slice();
  sys.cfmakeraw(raw);
  check(sys.tcsetattr(fd, 0, raw), "tcsetattr", `fd ${fd}`);
  return () => void sys.tcsetattr(fd, 0, before); // a terminal that has gone needs it no more
}

export { receiveFd, sendFd } from "./fd_passing.ts";
