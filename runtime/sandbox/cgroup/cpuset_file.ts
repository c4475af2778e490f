import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import type { OwnedFd } from "../../../common/linux/fd.ts";
import { type Hierarchy, pathOf } from "./hierarchy.ts";

/** What gives a cgroup its parent's processors back: version 1 has no word for that. */
async function inherited(version: 1 | 2, path: string, file: string): Promise<string> {
  return version === 2 ? "\n" : await Deno.readTextFile(`${path}/../${file}`);
}

/**
 * Sets a list of a cgroup; hierarchies without that controller have no such file, and nothing to set.
 * @param list Empty: the parent's.
 * @throws {RuntimeError} InvalidArgument: the parent does not have them.
 */
export async function setCpusetFile(
  { version }: Hierarchy,
  cgroup: OwnedFd,
  file: "cpuset.cpus" | "cpuset.mems",
  list: string,
): Promise<void> {
  const path = pathOf(cgroup);
  try {
    const text = list === "" ? await inherited(version, path, file) : list;
    await Deno.writeTextFile(`${path}/${file}`, text, { create: false });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot use ${file} = ${JSON.stringify(list)}: ${messageOf(cause)}`,
      { cause },
    );
  }
}
