import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Json } from "../bundle.ts";

/** Longest path and longest name in it, in bytes. Source: linux/limits.h. */
const MAX_PATH = 4095, MAX_NAME = 255;
/** Where a pod's cgroup is made when its bundle names none. */
const DEFAULT_PARENT = "kata-containers";
/** Where the runtime's own work is counted when the pod's cgroup is for the VM's CPUs alone. Source: Kata's name. */
const OVERHEAD_PARENT = "kata_overhead";

/** Parents that belong to the runtime alone, and go with their last cgroup. */
export const OWN_PARENTS: readonly string[] = [DEFAULT_PARENT, OVERHEAD_PARENT];

/** Where a sandbox's processes live on the host, as names from the root of a hierarchy down. */
export interface CgroupPaths {
  /** Beside the cgroups that runc would make for the pod's containers, below the same parent. */
  readonly pod: readonly string[];
  readonly overhead: readonly string[];
}

function refused(path: string, why: string): RuntimeError {
  const shown = JSON.stringify(path.slice(0, MAX_NAME));
  return new RuntimeError(Code.InvalidArgument, `Cannot use cgroup path ${shown}: ${why}`);
}

function checkName(name: string, path: string): string {
  if (name === "..") throw refused(path, "it leads upwards");
  // deno-lint-ignore no-control-regex -- the kernel refuses a newline, and nothing good has the others
  if (/[\x00-\x1f\x7f]/.test(name)) throw refused(path, "it has a control character");
  if (new TextEncoder().encode(name).length > MAX_NAME) throw refused(path, "a name is too long");
  return name;
}

/**
 * The folders of a slice: `a-b.slice` lies in `a.slice`; `-.slice` is the root.
 * Source: systemd.slice(5).
 */
function sliceFolders(slice: string, path: string): string[] {
  if (slice === "" || slice === "-.slice") return [];
  const name = slice.replace(/\.slice$/, "");
  const words = name.split("-");
  if (name === slice || words.includes("")) throw refused(path, `"${slice}" is no slice`);
  return words.map((_, at) => `${words.slice(0, at + 1).join("-")}.slice`);
}

/** The parent of the cgroup that a path means: `/a/b`, `a/b`, or systemd's `slice:prefix:name`. */
function parentOf(path: string): string[] {
  if (path.length > MAX_PATH) throw refused(path, "it is too long");
  const fields = path.split(":");
  if (fields.length === 3 && !path.includes("/")) return sliceFolders(fields[0] ?? "", path);
  return path.split("/").filter((name) => name !== "" && name !== ".").slice(0, -1);
}

/**
 * The cgroups of a sandbox.
 * @param cgroupsPath `linux.cgroupsPath` of the first container's bundle.
 * @param key The sandbox's, which makes them its own alone.
 * @throws {RuntimeError} InvalidArgument: a path that leads anywhere else than down.
 */
export function cgroupPaths(cgroupsPath: Json | undefined, key: string): CgroupPaths {
  const given = cgroupsPath ?? "";
  if (typeof given !== "string") {
    throw new RuntimeError(Code.InvalidArgument, "Cannot use linux.cgroupsPath: it is no string");
  }
  const parent = given === "" ? [DEFAULT_PARENT] : parentOf(given);
  for (const name of parent) checkName(name, given);
  return { pod: [...parent, checkName(`kata_${key}`, given)], overhead: [OVERHEAD_PARENT, key] };
}
