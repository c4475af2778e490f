import type { AgentLink } from "../agent_client/agent_link.ts";
import { setGuestClock } from "../agent_client/guest_clock.ts";

/** What the kernel's generator is seeded with: its own state is 256 bits. */
const ENTROPY_BYTES = 64;

/**
 * Makes a clone one of its own before anything runs in it: new randomness for the kernel (from which machine id, boot
 * id and every program's secrets come), and the right time.
 */
export async function renewClone(agent: AgentLink["agent"], signal: AbortSignal): Promise<void> {
  const data = crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES));
  await Promise.all([agent.reseedRandomDev({ data }, { signal }), setGuestClock(agent, signal)]);
}
