/** Hooks that the guest's image brings. */
import type { OciHook, OciHooks } from "./oci_types.ts";

const KINDS = ["prestart", "poststart", "poststop"] as const;
const ANY_EXECUTE = 0o111;

/**
 * Adds every program in `<folder>/{prestart,poststart,poststop}` behind the hooks given, by name.
 * Regular files that can be executed count; links do not.
 */
export async function withGuestHooks(hooks: OciHooks, folder: string): Promise<OciHooks> {
  const all = { ...hooks };
  for (const kind of KINDS) {
    const found = await programsIn(`${folder}/${kind}`);
    if (found.length > 0) all[kind] = [...(hooks[kind] ?? []), ...found];
  }
  return all;
}

async function programsIn(folder: string): Promise<OciHook[]> {
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile) names.push(name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const paths = names.sort().map((name) => `${folder}/${name}`);
  const executable = await Promise.all(paths.map(isExecutable));
  return paths.filter((_, index) => executable[index]).map((path) => ({ path, args: [path] }));
}

async function isExecutable(path: string): Promise<boolean> {
  return (((await Deno.lstat(path)).mode ?? 0) & ANY_EXECUTE) !== 0;
}
