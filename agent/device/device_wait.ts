/** Waiting for a device that the host plugs. */
import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Kata's agent.hotplug_timeout defaults to 3 s; emulated guests are slower. */
let hotplugTimeoutMs = 10_000;

/** Sets the bound, in milliseconds, for all later waits. */
export function setHotplugTimeout(ms: number): void {
  hotplugTimeoutMs = ms;
}

/**
 * Looks at once, and again whenever the kernel adds a file to /dev.
 * @param what For the error.
 * @throws {RuntimeError} DeadlineExceeded.
 */
export async function waitForDevice(
  what: string,
  find: () => Promise<string | undefined>,
): Promise<string> {
  const at = await find();
  if (at !== undefined) return at;
  using watcher = Deno.watchFs("/dev", { recursive: false });
  const timer = setTimeout(() => watcher.close(), hotplugTimeoutMs);
  try {
    // Between the first look and the watch it may have come.
    const now = await find();
    return now ?? await nextMatch(watcher, find, what);
  } finally {
    clearTimeout(timer);
  }
}

async function nextMatch(
  watcher: Deno.FsWatcher,
  find: () => Promise<string | undefined>,
  what: string,
): Promise<string> {
  for await (const _event of watcher) {
    const device = await find();
    if (device !== undefined) return device;
  }
  throw new RuntimeError(
    Code.DeadlineExceeded,
    `Device ${what} did not appear within ${hotplugTimeoutMs} ms`,
  );
}
