import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { hostIsUnified } from "../../common/linux/cgroup_mode.ts";

/** Hierarchies of cgroup v1 that are mounted, by folder name. */
function hierarchies(root: string): string[] {
  return [...Deno.readDirSync(root)].filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    name
  );
}

function addTo(folder: string, pid: number): void {
  Deno.writeTextFileSync(`${folder}/cgroup.procs`, `${pid}`, { create: false });
}

/**
 * Moves the server into the cgroup that the engine's options name: in every hierarchy of v1 that has it, or in v2.
 * @param path Relative to the root of the hierarchies, such as "/system/shims".
 * @throws {RuntimeError} InvalidArgument: it does not exist, or does not take the server.
 */
export function joinCgroup(path: string, pid: number, root = "/sys/fs/cgroup"): void {
  const refuse = (why: string): never => {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot move the shim into cgroup "${path}": ${why}`,
    );
  };
  if (path.split("/").includes("..")) refuse("its path leads upwards");
  const roots = hostIsUnified(root) ? [root] : hierarchies(root).map((name) => `${root}/${name}`);
  let joined = 0;
  for (const each of roots) {
    try {
      addTo(`${each}/${path}`, pid);
      joined++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) refuse(messageOf(error));
    }
  }
  if (joined === 0) refuse("there is none");
}
