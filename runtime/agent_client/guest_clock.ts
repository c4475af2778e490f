import { realTimeNs } from "../../common/linux/clock.ts";
import type { AgentLink } from "./agent_link.ts";

/** A clock that was set within this is right; otherwise the call's own delay was too large, and it is set again. */
const CLOCK_MS = 40;
const ATTEMPTS = 3;
const NS_PER_S = 1_000_000_000n, NS_PER_US = 1000n;

/** The host's wall clock, as SetGuestDateTime takes it. */
export function guestTime(): { Sec: bigint; Usec: bigint } {
  const now = realTimeNs();
  return { Sec: now / NS_PER_S, Usec: now % NS_PER_S / NS_PER_US };
}

/**
 * Sets the guest's wall clock to ours: a guest that boots reads a clock that knows whole seconds, and a clone goes on
 * from the time of its template.
 * @throws As the call to the agent does.
 */
export async function setGuestClock(agent: AgentLink["agent"], signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const startedMs = performance.now();
    await agent.setGuestDateTime(guestTime(), { signal });
    if (performance.now() - startedMs < CLOCK_MS) return;
  }
}
