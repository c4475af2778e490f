import { Errno } from "./errno.ts";
import { libcFunction } from "./libc.ts";
import { openPidfd } from "./pidfd.ts";
import { processExists } from "./process.ts";
import { keepAlive, watch } from "./poll.ts";
import { SyscallError } from "./syscall_error.ts";

const sys = { waitpid: libcFunction("waitpid", ["i32", "buffer", "i32"]) };
const WNOHANG = 1;
/** How many ends are remembered, asked for or not. */
const MAX_REMEMBERED = 4096;

/** How a process ended: exactly one of the two is there. */
export interface ExitStatus {
  readonly code?: number;
  /** Number of the signal that killed it. */
  readonly signal?: number;
}

/** What a shell would say: the code, or 128 + signal. */
export function exitCodeOf(status: ExitStatus): number {
  return status.code ?? 128 + (status.signal ?? 0);
}

/** Somebody who waits for a process. */
interface Waiter {
  readonly promise: Promise<ExitStatus>;
  readonly resolve: (status: ExitStatus) => void;
  readonly reject: (error: unknown) => void;
  /** Ends the watch on the process. */
  readonly release: () => void;
}

/**
 * Learns how processes ended; no thread waits.
 *
 * A process that is waited for is watched by a pidfd in the one epoll loop. Orphans, whom nobody may ever ask about,
 * are noticed by SIGCHLD, from {@linkcode Reaper.adoptOrphans} on. Waiting keeps the program alive, adopting does not.
 */
export class Reaper implements Disposable {
  readonly #waiters = new Map<number, Waiter>();
  readonly #ends = new Map<number, ExitStatus>();
  readonly #status = new Int32Array(1);
  readonly #reapAll = (): void => {
    while (this.#collect(-1) > 0);
  };
  #adopts = false;
  #alive: Disposable | undefined;

  /**
   * From now on reaps every child, whoever started it. Belongs to becomeSubreaper(); it takes the status away from
   * `Deno.Command`, so tests that use both must do this in a program of its own.
   */
  adoptOrphans(): void {
    if (this.#adopts) return;
    this.#adopts = true;
    Deno.addSignalListener("SIGCHLD", this.#reapAll);
    this.#reapAll();
  }

  /**
   * How a process ended, once it has; all who wait get the same answer.
   *
   * The process is our child or, where orphans are adopted, will be when its parent ends. The last 4096 ends are
   * remembered, so one may ask late, as for an orphan whose id comes from a file, and more than once.
   * @throws {SyscallError} ESRCH: no such process. ECHILD: it ended, but is not ours.
   */
  exit(pid: number): Promise<ExitStatus> {
    const waiter = this.#waiters.get(pid);
    if (waiter) return waiter.promise;
    const ended = this.#ended(pid);
    return ended ? Promise.resolve(ended) : this.#wait(pid);
  }

  /** Stops adopting, and rejects who still waits. */
  [Symbol.dispose](): void {
    if (this.#adopts) Deno.removeSignalListener("SIGCHLD", this.#reapAll);
    this.#adopts = false;
    for (const pid of [...this.#waiters.keys()]) {
      this.#take(pid)?.reject(new SyscallError("waitpid", `pid ${pid}`, Errno.ECANCELED));
    }
  }

  /** A child that has ended just now or was reaped before, unless its id has since passed to another process. */
  #ended(pid: number): ExitStatus | undefined {
    const result = this.#waitpid(pid);
    if (result === pid) this.#remember(pid, decodeStatus(this.#status[0] ?? 0));
    else if (result === 0 || this.#ends.has(pid) && processExists(pid)) this.#ends.delete(pid);
    return this.#ends.get(pid);
  }

  async #wait(pid: number): Promise<ExitStatus> {
    const pidfd = openPidfd(pid);
    const watched = watch(pidfd.fd);
    const release = (): void => (watched.stop(), pidfd.close());
    const waiter = { ...Promise.withResolvers<ExitStatus>(), release };
    this.#waiters.set(pid, waiter);
    watched.readable().then((ended) => ended && this.#collectWatched(pid));
    return await waiter.promise;
  }

  #collectWatched(pid: number): void {
    if (!this.#waiters.has(pid)) return; // SIGCHLD was faster, within the same turn of the event loop
    if (this.#collect(pid) !== -1) return;
    // Not our child, but its parent may still leave it to us: then SIGCHLD, which keeps nothing alive, will tell.
    if (this.#adopts) this.#alive ??= keepAlive();
    else this.#take(pid)?.reject(new SyscallError("waitpid", `pid ${pid}`, Errno.ECHILD));
  }

  #collect(pid: number): number {
    const ended = this.#waitpid(pid);
    if (ended > 0) this.#settle(ended, decodeStatus(this.#status[0] ?? 0));
    return ended;
  }

  /** @returns The id of the reaped child, 0 when none has ended, -1 when there is none. */
  #waitpid(pid: number): number {
    return sys.waitpid(pid, new Uint8Array(this.#status.buffer), WNOHANG);
  }

  #settle(pid: number, status: ExitStatus): void {
    this.#remember(pid, status);
    this.#take(pid)?.resolve(status);
  }

  #take(pid: number): Waiter | undefined {
    const waiter = this.#waiters.get(pid);
    this.#waiters.delete(pid);
    waiter?.release();
    if (this.#waiters.size === 0) {
      this.#alive?.[Symbol.dispose]();
      this.#alive = undefined;
    }
    return waiter;
  }

  #remember(pid: number, status: ExitStatus): void {
    this.#ends.delete(pid); // so that it moves to the end, as the youngest
    this.#ends.set(pid, status);
    for (const oldest of this.#ends.keys()) {
      if (this.#ends.size <= MAX_REMEMBERED) return;
      this.#ends.delete(oldest);
    }
  }
}

/** Source: glibc's bits/waitstatus.h. */
function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal };
}

let shared: Reaper | undefined;

/** The program's one reaper. It reaps only whom it is asked about until {@linkcode Reaper.adoptOrphans}. */
export function reaper(): Reaper {
  return shared ??= new Reaper();
}
