/** kata-agent: the program that runs containers inside the guest. */
import { messageOf } from "../common/base/errors.ts";
import { log, setLogLevel } from "../common/base/log.ts";
import { becomeSubreaper } from "../common/linux/process.ts";
import { reaper } from "../common/linux/reaper.ts";
import { listenGuest } from "../common/protocol/transport/listener.ts";
import { findChannel } from "./server/channel.ts";
import { parseAgentOptions } from "./server/options.ts";
import { serveGuest } from "./server/serve.ts";
import { Guest } from "./server/guest.ts";
import { Timeline } from "./server/timeline.ts";
import { GUEST_PATHS } from "./container/paths.ts";

async function main(): Promise<void> {
  const timeline = new Timeline(Deno.env.get("KATA_INIT_TIMELINE"));
  timeline.mark("loaded");
  if (Deno.pid === 1) {
    const { prepareGuest } = await import("./device/prepare.ts");
    await prepareGuest();
  }
  const options = parseAgentOptions(Deno.readTextFileSync("/proc/cmdline"));
  setLogLevel(options.logLevel);
  if (options.hotplugTimeoutMs !== undefined) {
    const { setHotplugTimeout } = await import("./device/device_wait.ts");
    setHotplugTimeout(options.hotplugTimeoutMs);
  }
  becomeSubreaper();
  reaper().adoptOrphans();
  const guest = new Guest(GUEST_PATHS, timeline, options.pipeBytes);
  const listener = await listenGuest(await findChannel(options.transport));
  await serveGuest(guest, listener, options.debugConsole);
  await end();
}

/** As PID 1 there is nobody to return to. */
async function end(): Promise<void> {
  if (Deno.pid !== 1) return;
  const { poweroff, sync } = await import("../common/linux/system.ts");
  sync();
  poweroff();
}

// One broken container must not take the others with it.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  log.error("a failure that nobody handled", { error: messageOf(event.reason) });
});

if (import.meta.main) {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    log.error("the agent cannot run", { error: messageOf(error) });
    Deno.exit(1);
  }
}
