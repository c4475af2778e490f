/**
 * A descriptor that is always ready would let its reader run for ever in microtasks, and no timer or other stream
 * would get a turn. So transfers draw on a budget, and whoever exhausts it lets the event loop turn once.
 */
import { libcFunctionOnThread } from "./libc.ts";

const sys = { yield: libcFunctionOnThread("sched_yield", []) };

/**
 * What may be transferred between two turns of the event loop. A turn costs about 10 µs, a MiB about 300 µs; in an
 * emulated guest both cost fifty times as much.
 */
const BUDGET_BYTES = 4 * 1024 * 1024;
/** What a call costs whatever its length: about 1 µs. */
const CALL_COST_BYTES = 4096;

let spent = 0;

/** Accounts for a transfer that did not wait. @returns Whether the caller must {@linkcode giveWay} now. */
export function mustGiveWay(bytes: number): boolean {
  spent += bytes + CALL_COST_BYTES;
  return spent > BUDGET_BYTES;
}

/** Lets the event loop turn once: timers, signals and other streams get served. */
export async function giveWay(): Promise<void> {
  spent = 0;
  // Unlike a timer of zero, which costs a millisecond, a trip to the thread pool is as short as it gets.
  await sys.yield();
}
