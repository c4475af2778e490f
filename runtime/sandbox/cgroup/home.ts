import { type Hierarchy, openCgroup } from "./hierarchy.ts";
import type { OwnedFd } from "../../../common/linux/fd.ts";

/** A line of /proc/self/cgroup. Source: cgroups(7). */
interface Membership {
  /** Empty for version 2. */
  readonly controllers: readonly string[];
  readonly names: readonly string[];
}

function parse(text: string): Membership[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) return [];
    const controllers = (match[1] ?? "").split(",").filter((name) => name !== "");
    const names = (match[2] ?? "").split("/").filter((name) => name !== "");
    return [{ controllers: controllers.map((name) => name.replace(/^name=/, "")), names }];
  });
}

/** A hierarchy of version 1 is mounted under the names of its controllers. */
function matches({ root, version }: Hierarchy, { controllers }: Membership): boolean {
  if (version === 2) return controllers.length === 0;
  return root.slice(root.lastIndexOf("/") + 1).split(",").some((name) =>
    controllers.includes(name)
  );
}

/** Where this process is in a hierarchy, as names from its root down. */
export function homeIn(
  hierarchy: Hierarchy,
  memberships = Deno.readTextFileSync("/proc/self/cgroup"),
): readonly string[] {
  return parse(memberships).find((each) => matches(hierarchy, each))?.names ?? [];
}

/** Opens where a process came from; the root when that is no more. */
export function openHome(hierarchy: Hierarchy, names: readonly string[]): OwnedFd {
  const home = openCgroup(hierarchy, names) ?? openCgroup(hierarchy, []);
  if (home) return home;
  throw new Error(`unreachable: ${hierarchy.root} has no root`);
}
