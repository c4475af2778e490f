/** Switching on what the host has given. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { onlineCpus, onlineMemory } from "./guest_memory.ts";

/** The kernel tells nobody in user space without netlink, so it is asked: as often and as long as Kata's agent does. */
const TRIES = 100;
const PAUSE_MS = 50;

/**
 * Switches on memory and as many processors, which may still have to come. Source: Kata's agent, online_cpus.
 * @param count 0: all processors that are there now.
 * @throws {RuntimeError} DeadlineExceeded: fewer came.
 */
export async function onlineResources(count: number, cpuOnly: boolean): Promise<void> {
  let changed = 0;
  for (let left = TRIES; left > 0; left--) {
    changed += await onlineCpus(count === 0 ? Infinity : count - changed);
    if (!cpuOnly) await onlineMemory();
    if (changed >= count) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new RuntimeError(
    Code.DeadlineExceeded,
    `${changed} of ${count} processors came within ${TRIES * PAUSE_MS} ms`,
  );
}
