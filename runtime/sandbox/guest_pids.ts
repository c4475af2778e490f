import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { PROCESS_LIST_FEATURE } from "../agent_client/agent_link.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * What is added to a guest's pid, so that people recognize it and no process of the host can have the number.
 * Source: the kernel's PID_MAX_LIMIT, which is 4,194,304.
 */
export const GUEST_PID_BASE = 10_000_000;

/** Highest pid that a guest can have. Source: the same. */
const PID_MAX = 4_194_304;

/** Most entries that are read. */
const MAX_ENTRIES = 10_000;

/** Longest wait: engines ask after their own restart, and a guest that is busy or hostile must not delay that. */
const TIMEOUT_MS = 1_000;

/** Reads the guest's list; what cannot be a pid is left out. */
export function parseGuestPids(text: string): number[] {
  return text.split("\n", MAX_ENTRIES).filter((line) => /^[1-9]\d{0,6}$/.test(line)).map(Number)
    .filter((pid) => pid <= PID_MAX);
}

/**
 * Numbers for the processes that a container's own processes have started. They live in the guest alone, so what
 * stands for them here cannot be signalled. Empty when the guest does not answer at once.
 */
export async function guestPids(sandbox: Sandbox, container: Container): Promise<number[]> {
  if (sandbox.ended !== undefined || !container.init.active) return [];
  try {
    const { link, processList } = await sandbox.guest;
    if (!processList) return [];
    const request = { logType: PROCESS_LIST_FEATURE, containerId: container.id };
    const { data } = await link.agent.getDiagnosticData(request, { timeoutMs: TIMEOUT_MS });
    return parseGuestPids(data).map((pid) => GUEST_PID_BASE + pid);
  } catch (error) {
    const reason = messageOf(error);
    log.warn("Cannot list a container's processes", { container: container.id, reason });
    return [];
  }
}
