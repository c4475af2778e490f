import { homeIn, openHome } from "./home.ts";
import { hierarchies, pathOf } from "./hierarchy.ts";

/**
 * Moves processes to where another one is, in every hierarchy where this process is elsewhere.
 * @param memberships The other's lines of /proc/PID/cgroup. Source: cgroups(7).
 * @param root Where hierarchies are mounted.
 */
export async function joinCgroupsOf(
  memberships: string,
  pids: readonly number[],
  root?: string,
): Promise<void> {
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  if (own === memberships) return;
  await Promise.all(
    hierarchies(root).map(async (hierarchy) => {
      const there = homeIn(hierarchy, memberships);
      if (there.join("/") === homeIn(hierarchy, own).join("/")) return;
      using folder = openHome(hierarchy, there);
      for (const pid of pids) {
        await Deno.writeTextFile(`${pathOf(folder)}/cgroup.procs`, `${pid}`, { create: false });
      }
    }),
  );
}
