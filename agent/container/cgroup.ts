/** One container's cgroup (v2), by its files. */
import { withDeadline } from "../../common/base/deadline.ts";
import { close, O, open } from "../../common/linux/fd.ts";
import { watch } from "../../common/linux/poll.ts";
import { parseKeyed } from "./cgroup_files.ts";

/** Enough for any list that people read; a fork bomb must not make a longer one. */
const MAX_LISTED = 10_000;
/** Killed processes need a moment to be gone, longer while they hold much memory. */
const EMPTY_TIMEOUT_MS = 10_000;
const FREEZE_TIMEOUT_MS = 10_000;

export class Cgroup {
  /** @param path Absolute path of the folder. */
  constructor(readonly path: string) {}

  /** Kills every process in it and below, also frozen ones. Source: cgroup-v2.rst, "cgroup.kill". */
  async kill(): Promise<void> {
    await this.#write("cgroup.kill", "1");
  }

  /** Stops or continues every process. @throws {RuntimeError} DeadlineExceeded when the kernel cannot. */
  async freeze(frozen: boolean): Promise<void> {
    await this.#write("cgroup.freeze", frozen ? "1" : "0");
    await this.#event("frozen", frozen ? 1n : 0n, FREEZE_TIMEOUT_MS);
  }

  /** Pids of the processes in it and below, at most 10,000. */
  async processes(): Promise<number[]> {
    return (await processesBelow(this.path)).slice(0, MAX_LISTED);
  }

  /** Removes it with all below, waiting until the last process is gone. Fine when it does not exist. */
  async remove(): Promise<void> {
    try {
      await this.#event("populated", 0n, EMPTY_TIMEOUT_MS);
      await removeTree(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** How often the kernel killed for memory, here and below; 0 without the controller. */
  oomKills(): bigint {
    try {
      const text = Deno.readTextFileSync(`${this.path}/memory.events`);
      return parseKeyed(text).get("oom_kill") ?? 0n;
    } catch (error) {
      if (isGone(error)) return 0n;
      throw error;
    }
  }

  /** Calls `changed` whenever memory.events may have changed, until stopped. */
  watchMemory(changed: () => void): Disposable {
    return watchFile(`${this.path}/memory.events`, changed);
  }

  async #write(file: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}/${file}`, text, { create: false });
  }

  async #event(key: string, value: bigint, ms: number): Promise<void> {
    const path = `${this.path}/cgroup.events`;
    const isSo = (): boolean => parseKeyed(Deno.readTextFileSync(path)).get(key) === value;
    if (isSo()) return;
    const reached = Promise.withResolvers<void>();
    using _watch = watchFile(path, () => {
      if (holds(isSo)) reached.resolve();
    });
    if (isSo()) return;
    await withDeadline(reached.promise, ms, `${key} ${value} of cgroup ${this.path}`);
  }
}

/** A cgroup that vanished has nothing left to wait for. */
function holds(isSo: () => boolean): boolean {
  try {
    return isSo();
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

/** ENODEV: the file was open, or about to be, when its cgroup went. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof Error && /os error 19\b/.test(error.message));
}

/** cgroup files tell changes as POLLPRI. Source: cgroup-v2.rst, "events". */
function watchFile(path: string, changed: () => void): Disposable {
  const fd = open(path, O.RDONLY);
  const watching = watch(fd);
  const loop = async (): Promise<void> => {
    while (await watching.readable()) changed();
  };
  loop().finally(() => close(fd));
  return { [Symbol.dispose]: () => watching.stop() };
}

async function processesBelow(path: string): Promise<number[]> {
  try {
    const text = await Deno.readTextFile(`${path}/cgroup.procs`);
    const pids = text.split("\n", MAX_LISTED).filter((line) => line !== "").map(Number);
    for await (const entry of Deno.readDir(path)) {
      if (entry.isDirectory && pids.length < MAX_LISTED) {
        pids.push(...await processesBelow(`${path}/${entry.name}`));
      }
    }
    return pids;
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** rmdir(2) from the leaves up: the files of a cgroup cannot and need not be removed. */
async function removeTree(path: string): Promise<void> {
  for await (const entry of Deno.readDir(path)) {
    if (entry.isDirectory) await removeTree(`${path}/${entry.name}`);
  }
  await Deno.remove(path);
}
