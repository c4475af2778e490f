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

/** Nanoseconds since 1970 by the wall clock, which may be set at any time. */
export function realTimeNs(): bigint {
  const [seconds = 0n, nanoseconds = 0n] = readClock(CLOCK_REALTIME);
  return seconds * 1_000_000_000n + nanoseconds;
}

function clockMs(clock: number): number {
  const [seconds = 0n, nanoseconds = 0n] = readClock(clock);
  return Number(seconds) * 1e3 + Number(nanoseconds) / 1e6;
}

/** Seconds and nanoseconds: struct timespec. */
function readClock(clock: number): BigInt64Array {
  const time = new BigInt64Array(2);
  check(sys.gettime(clock, new Uint8Array(time.buffer)), "clock_gettime", `clock ${clock}`);
  return time;
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
