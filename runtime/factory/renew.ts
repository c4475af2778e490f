import type { AgentLink } from "../agent_client/agent_link.ts";
import { guestTime } from "./warm_up.ts";

/** What the kernel's generator is seeded with: its own state is 256 bits. */
const ENTROPY_BYTES = 64;
/** A clock that was set within this is right; otherwise the call's own delay was too large, and it is set again. */
const CLOCK_MS = 40;
const CLOCK_ATTEMPTS = 3;

/**
 * Makes a clone one of its own before anything runs in it: new randomness for the kernel (from which machine id, boot
 * id and every program's secrets come), and the right time.
 */
export async function renewClone(agent: AgentLink["agent"], signal: AbortSignal): Promise<void> {
  const data = crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES));
  await Promise.all([agent.reseedRandomDev({ data }, { signal }), setClock(agent, signal)]);
}

async function setClock(agent: AgentLink["agent"], signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < CLOCK_ATTEMPTS; attempt++) {
    const startedMs = performance.now();
    await agent.setGuestDateTime(guestTime(), { signal });
    if (performance.now() - startedMs < CLOCK_MS) return;
  }
}
