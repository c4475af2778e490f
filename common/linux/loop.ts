import { O, open } from "./fd.ts";
import { libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { check, isErrno } from "./syscall_error.ts";

const sys = {
  ioctl: libcFunction("ioctl", ["i32", "u64", "buffer"]),
  ioctlValue: libcFunction("ioctl", ["i32", "u64", "u64"]),
};

/** Source: linux/loop.h. */
const LOOP_SET_CAPACITY = 0x4c07, LOOP_CONFIGURE = 0x4c0a, LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_READ_ONLY = 1, LO_FLAGS_AUTOCLEAR = 4;
/** struct loop_config, and where it has the file's descriptor and, in its struct loop_info64, the flags. */
const CONFIG_BYTES = 304, FD_AT = 0, FLAGS_AT = 8 + 52;
/** Others look for free devices too. */
const ATTEMPTS = 64;

/** A file as a block device, for as long as anybody has the device open. */
export class LoopDevice implements Disposable {
  readonly #fd: OwnedFd;

  private constructor(readonly path: string, fd: OwnedFd) {
    this.#fd = fd;
  }

  /** @throws {SyscallError} ENOENT: no such file, or no loop devices on this host. EBUSY: none is free. */
  static attach(file: string, { readonly }: { readonly readonly: boolean }): LoopDevice {
    const access = readonly ? O.RDONLY : O.RDWR;
    using image = new OwnedFd(open(file, access));
    using control = new OwnedFd(open("/dev/loop-control", O.RDWR));
    for (let attempt = 1;; attempt++) {
      const free = check(sys.ioctlValue(control.fd, LOOP_CTL_GET_FREE, 0), "LOOP_CTL_GET_FREE", "");
      const path = `/dev/loop${free}`, fd = new OwnedFd(open(path, access));
      try {
        const config = loopConfig(image.fd, readonly);
        check(sys.ioctl(fd.fd, LOOP_CONFIGURE, config), "ioctl LOOP_CONFIGURE", `${path} ${file}`);
        return new LoopDevice(path, fd);
      } catch (error) {
        fd.close();
        if (!isErrno(error, "EBUSY") || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** The file has become larger. @throws {SyscallError} ENXIO: the device is no more. */
  grown(): void {
    using fd = new OwnedFd(open(this.path, O.RDONLY));
    check(sys.ioctlValue(fd.fd, LOOP_SET_CAPACITY, 0), "ioctl LOOP_SET_CAPACITY", this.path);
  }

  /** Leaves the device to whoever has it open. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

function loopConfig(fd: number, readonly: boolean): Uint8Array {
  const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
  config.setUint32(FD_AT, fd, true);
  config.setUint32(FLAGS_AT, LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0), true);
  return new Uint8Array(config.buffer);
}
