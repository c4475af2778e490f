import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { kill } from "../../../common/linux/process.ts";
import { isErrno } from "../../../common/linux/syscall_error.ts";
import { OWN_PARENTS } from "./cgroup_path.ts";
import { hierarchies, type Hierarchy, openCgroup, pathOf } from "./hierarchy.ts";

/** What ends with its sandbox ends by itself within this time; afterwards it is killed. */
const LEAVE_MS = 1_000;
/** And by then it must be gone. */
const GONE_MS = 5_000;
/** Between looks at a cgroup that is still in use: version 1 tells nobody when it empties. */
const LOOK_AGAIN_MS = 5;

/** Source: errno(3), EBUSY. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && /os error 16\b/.test(error.message);
}

/** @returns Whether it is gone. */
async function tryRemove(hierarchy: Hierarchy, names: readonly string[]): Promise<boolean> {
  using parent = openCgroup(hierarchy, names.slice(0, -1));
  if (parent === undefined) return true;
  try {
    await Deno.remove(`${pathOf(parent)}/${names.at(-1)}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (isBusy(error)) return false;
    throw error;
  }
}

async function killAll(hierarchy: Hierarchy, names: readonly string[]): Promise<void> {
  using cgroup = openCgroup(hierarchy, names);
  if (cgroup === undefined) return;
  const pids = (await Deno.readTextFile(`${pathOf(cgroup)}/cgroup.procs`)).trim().split("\n");
  for (const pid of pids.map(Number)) {
    if (!(pid > 1) || pid === Deno.pid) continue; // 0: of another PID namespace
    try {
      kill(pid, "SIGKILL");
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  }
}

async function removeFrom(hierarchy: Hierarchy, names: readonly string[]): Promise<void> {
  const since = Date.now();
  while (!await tryRemove(hierarchy, names)) {
    const waitedMs = Date.now() - since;
    if (waitedMs > GONE_MS) {
      throw new RuntimeError(
        Code.DeadlineExceeded,
        `Cannot remove cgroup "${hierarchy.root}/${names.join("/")}": a process does not leave it`,
      );
    }
    if (waitedMs > LEAVE_MS) await killAll(hierarchy, names);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  const [parent = ""] = names;
  if (OWN_PARENTS.includes(parent)) await tryRemove(hierarchy, [parent]); // false: another sandbox is in there
}

/**
 * Removes cgroups that were made for one sandbox alone, from every hierarchy, and ends what is left in them.
 * Those on the way to them stay where they
 * are the engine's. Repeating is harmless.
 * @param cgroups Names from the root down, for each.
 * @throws {AggregateError} Those that could not be removed.
 */
export async function removeCgroups(
  cgroups: readonly (readonly string[])[],
  root?: string,
): Promise<void> {
  const all = hierarchies(root).flatMap((hierarchy) =>
    cgroups.map((names) => removeFrom(hierarchy, names))
  );
  const failures = (await Promise.allSettled(all)).flatMap((result) =>
    result.status === "rejected" ? [result.reason] : []
  );
  if (failures.length === 0) return;
  throw new AggregateError(failures, failures.map(messageOf).join("; "));
}
