import { libcFunction } from "./libc.ts";
import { check } from "./syscall_error.ts";

const sys = {
  gettime: libcFunction("clock_gettime", ["i32", "buffer"]),
  settime: libcFunction("clock_settime", ["i32", "buffer"]),
};
const CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_BOOTTIME = 7;

/** Milliseconds of CLOCK_MONOTONIC, with fractions: comparable across the processes of one machine. */
export function monotonicMs(): number {
  return clockMs(CLOCK_MONOTONIC);
}

/** Milliseconds since boot, time in suspend included, with fractions. */
export function bootTimeMs(): number {
  return clockMs(CLOCK_BOOTTIME);
}

function clockMs(clock: number): number {
  const time = new BigInt64Array(2);
  check(sys.gettime(clock, new Uint8Array(time.buffer)), "clock_gettime", `clock ${clock}`);
  return Number(time[0] ?? 0n) * 1e3 + Number(time[1] ?? 0n) / 1e6;
}

/**
 * Sets the wall clock.
 * @param seconds Since 1970, UTC.
 * @throws {SyscallError} EPERM: not privileged. EINVAL: out of range.
 */
export function setSystemTime(seconds: number | bigint, nanoseconds: number | bigint): void {
  const time = BigInt64Array.of(BigInt(seconds), BigInt(nanoseconds));
  check(sys.settime(CLOCK_REALTIME, new Uint8Array(time.buffer)), "clock_settime", `${seconds} s`);
}
