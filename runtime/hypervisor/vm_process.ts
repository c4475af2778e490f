import { messageOf } from "../../common/base/errors.ts";
import { close, O, open, OwnedFd, pipe } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { inNetns } from "../../common/linux/netns.ts";
import { kill, processStartTime } from "../../common/linux/process.ts";
import { type ExitStatus, reaper } from "../../common/linux/reaper.ts";
import { spawn } from "../../common/linux/spawn.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { TextTail } from "./text_tail.ts";
import { VM_MARKER, type VmProcess } from "./vm_state.ts";

/** How long a killed process's last words may take to arrive, once it has ended. */
const LAST_WORDS_MS = 200;

export interface VmProcessOptions {
  readonly role: string;
  readonly argv: readonly string[];
  /** Child's descriptor -> ours, from 3 on. */
  readonly fds?: Readonly<Record<number, number>>;
  readonly stateDir: string;
  /** More environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Network namespace to start in. */
  readonly netnsPath?: string;
  /** Folder to start in; `/` when absent. */
  readonly cwd?: string;
}

/**
 * A process of a VM, marked so that it can be found when this one has died (see {@linkcode VM_MARKER}). It outlives
 * us: only its VM's end or a clean-up ends it. What it writes to stderr is kept, bounded.
 */
export class RunningVmProcess {
  readonly saved: VmProcess;
  /** Resolves, never rejects, once the process has ended and its last words are in {@linkcode output}. */
  readonly exited: Promise<ExitStatus>;
  readonly output = new TextTail();
  #over = false;

  private constructor(role: string, pid: number, stderr: FdStream) {
    // First: a child that has ended keeps its entry in /proc until the reaper is asked about it.
    this.saved = { role, pid, startTime: processStartTime(pid) };
    const exit = reaper().exit(pid);
    const drained = follow(stderr, this.output);
    this.exited = exit.then(async (status) => {
      this.#over = true;
      await settlesWithin(drained, LAST_WORDS_MS);
      stderr.close();
      return status;
    });
  }

  /** @throws {SyscallError} The program cannot be started. */
  static spawn(options: VmProcessOptions): RunningVmProcess {
    const [ours, theirs] = pipe();
    const stderr = new FdStream(ours);
    try {
      const start = () =>
        spawn({
          argv: options.argv,
          env: {
            ...options.env,
            [VM_MARKER]: options.stateDir,
            PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
          },
          cwd: options.cwd ?? "/",
          fds: { ...options.fds, 1: theirs, 2: theirs },
          newSession: true,
        });
      const { netnsPath } = options;
      const pid = netnsPath === undefined ? start() : spawnIn(netnsPath, start);
      return new RunningVmProcess(options.role, pid, stderr);
    } catch (error) {
      stderr.close();
      throw error;
    } finally {
      close(theirs);
    }
  }

  get pid(): number {
    return this.saved.pid;
  }

  /** Kills the process and waits for its end. Idempotent. */
  async kill(): Promise<void> {
    if (!this.#over) killQuietly(this.pid); // afterwards its id may be somebody else's
    await this.exited;
  }
}

/** A child is born where its parent is. */
function spawnIn(netnsPath: string, start: () => number): number {
  using namespace = new OwnedFd(open(netnsPath, O.RDONLY));
  return inNetns(namespace.fd, start);
}

/** Sends SIGKILL unless the process is gone. */
export function killQuietly(pid: number): void {
  try {
    kill(pid, "SIGKILL");
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}

/** Copies what comes into a bounded tail until the end; failing to read counts as the end, and is noted there. */
export async function follow(
  source: { read(into: Uint8Array): Promise<number | null> },
  tail: TextTail,
): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    for (let n = await source.read(buffer); n !== null; n = await source.read(buffer)) {
      tail.push(buffer.subarray(0, n));
    }
  } catch (error) {
    tail.push(new TextEncoder().encode(`\n[output lost: ${messageOf(error)}]\n`));
  }
}

/** Whether a promise settles in time; it must not reject. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  try {
    return await Promise.race([promise.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
