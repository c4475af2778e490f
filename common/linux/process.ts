import { errno, libcFunction } from "./libc.ts";
import { type SignalName, SIGNALS } from "./signals.ts";
import { check, isErrno, SyscallError } from "./syscall_error.ts";
import { Errno } from "./errno.ts";

const sys = {
  kill: libcFunction("kill", ["i32", "i32"]),
  prctl: libcFunction("prctl", ["i32", "u64", "u64", "u64", "u64"]),
  getppid: libcFunction("getppid", []),
  setpriority: libcFunction("setpriority", ["i32", "i32", "i32"]),
  getpriority: libcFunction("getpriority", ["i32", "i32"]),
};

/** Source: sys/resource.h; on Linux one thread alone. */
const PRIO_PROCESS = 0;
const PR_SET_PDEATHSIG = 1, PR_SET_CHILD_SUBREAPER = 36;

/**
 * Sends a signal; 0 only asks whether it could be sent.
 * @param pid A process, or the negated id of a process group.
 * @throws {SyscallError} ESRCH: nobody of that id. EPERM: not ours to signal.
 */
export function kill(pid: number, signal: number | SignalName): void {
  // 0 and -1 address our own group and everybody: never meant here, and deadly when an unset field comes through.
  if (!Number.isInteger(pid) || pid === 0 || pid === -1) {
    throw new RangeError(`Not a process to signal: ${pid}`);
  }
  const number = typeof signal === "number" ? signal : SIGNALS[signal];
  check(sys.kill(pid, number), "kill", `pid ${pid}`);
}

/** Whether any process has that id, be it a zombie or somebody else's. */
export function processExists(pid: number): boolean {
  return sys.kill(pid, 0) === 0 || errno() !== Errno.ESRCH;
}

/** Descendants whose parent died become our children; the reaper must then adopt orphans. */
export function becomeSubreaper(): void {
  check(sys.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl", "PR_SET_CHILD_SUBREAPER");
}

/** The kernel signals us when the thread that started us ends; 0 turns that off. */
export function setParentDeathSignal(signal: number): void {
  check(sys.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl", "PR_SET_PDEATHSIG");
}

/** How much we and our children from now on give way to others: -20 to 19, which gives way most. */
export function setPriority(nice: number): void {
  check(sys.setpriority(PRIO_PROCESS, 0, nice), "setpriority", `${nice}`);
}

/** How much we give way now. */
export function priority(): number {
  return sys.getpriority(PRIO_PROCESS, 0); // of ourselves, which cannot fail
}

/** The same for all threads that a process has now. @throws {SyscallError} ESRCH: there is no such process. */
export function setPriorityOf(pid: number, nice: number): void {
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    if (sys.setpriority(PRIO_PROCESS, Number(name), nice) === 0) continue;
    const number = errno(); // a thread that has just ended needs none
    if (number !== Errno.ESRCH) throw new SyscallError("setpriority", `thread ${name}`, number);
  }
}

/** Our own process id. */
export function getpid(): number {
  return Deno.pid;
}

/** Our parent's process id. */
export function getppid(): number {
  return sys.getppid();
}

/**
 * When a process started, in clock ticks after boot: together with its id it names a process for good.
 * Source: proc(5), field 22 of /proc/pid/stat.
 * @throws {SyscallError} ESRCH: no such process.
 */
export function processStartTime(pid: number): number {
  return Number(statFields(pid)[22 - 3]);
}

/** Whether the process of that id and start time still exists; a zombie does not count. */
export function isAlive(pid: number, startTime: number): boolean {
  try {
    const fields = statFields(pid);
    return Number(fields[22 - 3]) === startTime && fields[0] !== "Z" && fields[0] !== "X";
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}

/** Fields of /proc/pid/stat from the third (state) on; the second, the name, may itself hold blanks and brackets. */
function statFields(pid: number): string[] {
  const stat = readProc(pid, "stat");
  return stat.slice(stat.lastIndexOf(")") + 2).trimEnd().split(" ");
}

function readProc(pid: number, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch (error) {
    // A process that ends between open and read gives ESRCH, which Deno reports as a plain Error.
    if (error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error))) {
      throw new SyscallError("open", `/proc/${pid}/${file}`, Errno.ESRCH);
    }
    throw error;
  }
}

/**
 * How readily the kernel kills a process when memory is short: -1000 never to 1000 first.
 * @throws {Deno.errors.PermissionDenied} Lowering it takes CAP_SYS_RESOURCE.
 */
export function setOomScoreAdj(pid: number, adjustment: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/oom_score_adj`, String(adjustment));
}

/** Sets our name as ps(1) shows it, at most 15 bytes of ASCII. */
export function setProcessName(name: string): void {
  Deno.writeTextFileSync("/proc/self/comm", name.slice(0, 15));
}

export { MAX_SIGNAL, type SignalName, signalName, signalNumber, SIGNALS } from "./signals.ts";
