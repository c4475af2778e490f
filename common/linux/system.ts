import { libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = {
  reboot: libcFunction("reboot", ["u32"]),
  sync: libcFunction("sync", []),
  sethostname: libcFunction("sethostname", ["buffer", "usize"]),
  uname: libcFunction("uname", ["buffer"]),
};

/** Source: linux/reboot.h. */
const RB_AUTOBOOT = 0x1234567, RB_POWER_OFF = 0x4321fedc;

/** Restarts the machine at once, without ending processes or syncing. @throws {SyscallError} EPERM. */
export function reboot(): void {
  check(sys.reboot(RB_AUTOBOOT), "reboot", "RB_AUTOBOOT");
}

/** Turns the machine off at once, without ending processes or syncing. @throws {SyscallError} EPERM. */
export function poweroff(): void {
  check(sys.reboot(RB_POWER_OFF), "reboot", "RB_POWER_OFF");
}

/** Writes all dirty pages of all file systems to their devices. Blocks until done. */
export function sync(): void {
  sys.sync();
}

/** Sets this UTS namespace's host name, at most 64 bytes. @throws {SyscallError} EINVAL: too long. EPERM. */
export function sethostname(name: string): void {
  const bytes = new TextEncoder().encode(name);
  check(sys.sethostname(bytes, bytes.length), "sethostname", name);
}

/** What uname(2) says. */
export interface SystemName {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
}

/** struct utsname is six fields of 65 bytes. Source: linux/utsname.h. */
const FIELD_BYTES = 65;

/** Names the running kernel and machine. */
export function uname(): SystemName {
  const bytes = new Uint8Array(6 * FIELD_BYTES);
  check(sys.uname(bytes), "uname", "");
  const field = (index: number) => {
    const text = bytes.subarray(index * FIELD_BYTES, (index + 1) * FIELD_BYTES);
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  };
  return {
    sysname: field(0),
    nodename: field(1),
    release: field(2),
    version: field(3),
    machine: field(4),
  };
}
