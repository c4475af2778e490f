import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";

/**
 * Questions that wait in the guest at a time. An answer and the exit that follows it travel in order only when the
 * question was there before: one more answer at once than this would come late.
 */
const QUESTIONS = 4;

/** Shortest time between two answers to one question: a guest that makes them up must not keep the host busy. */
const PAUSE_MS = 20;

async function ask(link: AgentLink, told: (containerId: string) => void): Promise<void> {
  for (;;) {
    const { containerId } = await link.agent.getOOMEvent({}, { timeoutMs: undefined });
    told(containerId);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Asks the agent for kills for lack of memory until it is lost.
 * @param told Gets the guest's word for the container's id, to be checked.
 */
export function watchOom(link: AgentLink, told: (containerId: string) => void): void {
  let lost = false;
  link.lost.then(() => lost = true);
  for (let at = 0; at < QUESTIONS; at++) {
    ask(link, told).catch(async (error) => {
      await Promise.resolve(); // `lost` is told together with this
      if (!lost) log.warn("Cannot watch for lack of memory", { reason: messageOf(error) });
    });
  }
}
