/** Driver "local": a folder in the guest. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { groupOf, setGroup } from "./fs_group.ts";
import type { Leftovers, StorageRequest } from "./handlers.ts";

const DEFAULT_MODE = 0o777;

/**
 * Options `mode=0777` (octal) and `fsgid=1000`; ours: `keep`, for a folder that is a volume's, which is left alone where
 * it is there already, and when it is no longer used.
 */
export async function makeLocal(storage: StorageRequest, point: string): Promise<Leftovers> {
  const keep = storage.options.includes("keep");
  if (keep && await isFolder(point)) return [];
  const mode = storage.options.find((option) => option.startsWith("mode="));
  await Deno.mkdir(point, { recursive: true });
  await Deno.chmod(
    point,
    mode === undefined ? DEFAULT_MODE : parseMode(mode.slice("mode=".length)),
  );
  const group = groupOf(storage);
  if (group !== undefined) await setGroup(point, group);
  return keep ? [] : [point];
}

/** A link is none: it would lead out of the volume. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** @throws {RuntimeError} InvalidArgument: not octal permissions. */
export function parseMode(text: string): number {
  if (/^[0-7]{1,5}$/.test(text)) return parseInt(text, 8) & 0o7777;
  throw new RuntimeError(
    Code.InvalidArgument,
    `${JSON.stringify(text)} is not a file mode in octal`,
  );
}
