import { isObject, type Json, type JsonObject } from "../sandbox/bundle.ts";
import { cgroupPaths } from "../sandbox/cgroup/cgroup_path.ts";
import { hierarchies, makeCgroup, pathOf } from "../sandbox/cgroup/hierarchy.ts";

/** Where a container's cgroup is when its bundle names none. */
const DEFAULT_PARENT = "kata-containers";

/** The name of a cgroup below another, to find out how the other is called. */
const BELOW = "x";

/** systemd's form, as a path: `slice:prefix:name` means `prefix-name.scope` in the slice. Source: runc's docs/systemd.md. */
function asPath(path: string): string {
  const [slice, prefix, name, surplus] = path.split(":");
  const isSystemd = prefix !== undefined && name !== undefined && surplus === undefined &&
    !path.includes("/");
  if (!isSystemd) return path;
  const parent = cgroupPaths(`${slice}:x:x`, BELOW).pod.slice(0, -1);
  return ["", ...parent, prefix === "" ? name : `${prefix}-${name}.scope`].join("/");
}

function linuxOf(json: JsonObject): JsonObject {
  return isObject(json.linux) ? json.linux : {};
}

function pathFor(json: JsonObject, id: string): string {
  const given: Json = linuxOf(json).cgroupsPath ?? "";
  return typeof given === "string" && given !== "" ? asPath(given) : `/${DEFAULT_PARENT}/${id}`;
}

/**
 * The cgroup on the host in which engines look for a container: its relays are there.
 * @returns Names from the root of a hierarchy down.
 * @throws {RuntimeError} InvalidArgument: a path that leads anywhere else than down.
 */
export function containerCgroup(json: JsonObject, id: string): readonly string[] {
  return cgroupPaths(`${pathFor(json, id)}/${BELOW}`, BELOW).pod.slice(0, -1);
}

/**
 * The configuration with a cgroup path below the container's own, as that of its VM: engines that read the container's
 * cgroup see what the VM uses in its figures, and none of the VM's processes in its list.
 */
export function withVmBelow(json: JsonObject, id: string): JsonObject {
  const cgroupsPath = `${pathFor(json, id)}/${BELOW}`;
  return { ...json, linux: { ...linuxOf(json), cgroupsPath } };
}

/** Moves a process into a container's cgroup, which is made where there is none. */
export async function enterCgroup(names: readonly string[], pid: number): Promise<void> {
  await Promise.all(
    hierarchies().map(async (hierarchy) => {
      using cgroup = makeCgroup(hierarchy, names);
      await Deno.writeTextFile(`${pathOf(cgroup)}/cgroup.procs`, `${pid}`, { create: false });
    }),
  );
}
