import { isAlive, processStartTime } from "../../common/linux/process.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { isJailed, jailDevice, unmountJail } from "./jail_folder.ts";
import { killQuietly } from "./vm_process.ts";
import { VM_MARKER, type VmProcess, type VmState } from "./vm_state.ts";

/** How long killed processes may take to disappear: a VM's memory is freed meanwhile. */
const GONE_MS = 10_000;
/** Between looks at a process that is not our child; the kernel reports its end to its parent only. */
const LOOK_AGAIN_MS = 5;

/**
 * Kills whatever is left of a VM, from any process and any state: the saved processes, and those that carry the
 * VM's mark but were never saved. A reused process id is not hit. Idempotent.
 * @throws {RuntimeError} DeadlineExceeded: a process does not die (stuck in the kernel).
 */
export async function cleanUp(saved: VmState): Promise<void> {
  const left = saved.processes.filter(({ pid, startTime }) => isAlive(pid, startTime));
  const known = new Set(left.map(({ pid }) => pid));
  const all = [...left, ...markedProcesses(saved.stateDir).filter(({ pid }) => !known.has(pid))];
  for (const { pid } of all) killQuietly(pid);
  await Promise.all(all.map(gone));
  unmountJail(saved.stateDir);
}

/** Living processes that were spawned for the VM of this state folder; one in a jail has no environment. */
export function markedProcesses(stateDir: string): VmProcess[] {
  const found: VmProcess[] = [], jail = jailDevice(stateDir);
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    if (hasMark(pid, stateDir) || isJailed(pid, jail)) {
      const startTime = startTimeOf(pid);
      if (startTime !== undefined) found.push({ role: "marked", pid, startTime });
    }
  }
  return found;
}

function hasMark(pid: number, stateDir: string): boolean {
  try {
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`);
    return environment.split("\0").includes(`${VM_MARKER}=${stateDir}`);
  } catch {
    return false; // it has just ended, or is none that we may look into; ours we may
  }
}

function startTimeOf(pid: number): number | undefined {
  try {
    return processStartTime(pid);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

async function gone({ role, pid, startTime }: VmProcess): Promise<void> {
  const deadline = Date.now() + GONE_MS;
  while (isAlive(pid, startTime)) {
    if (Date.now() > deadline) {
      throw new RuntimeError(
        Code.DeadlineExceeded,
        `Process ${pid} (${role}) does not die of SIGKILL`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
