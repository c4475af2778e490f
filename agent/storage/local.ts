/** Driver "local": a folder in the guest. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { groupOf, setGroup } from "./fs_group.ts";
import type { Leftovers, StorageRequest } from "./handlers.ts";

const DEFAULT_MODE = 0o777;

/** Options `mode=0777` (octal) and `fsgid=1000`. */
export async function makeLocal(storage: StorageRequest, point: string): Promise<Leftovers> {
  const mode = storage.options.find((option) => option.startsWith("mode="));
  await Deno.mkdir(point, { recursive: true });
  await Deno.chmod(
    point,
    mode === undefined ? DEFAULT_MODE : parseMode(mode.slice("mode=".length)),
  );
  const group = groupOf(storage);
  if (group !== undefined) await setGroup(point, group);
  return [point];
}

/** @throws {RuntimeError} InvalidArgument: not octal permissions. */
export function parseMode(text: string): number {
  if (/^[0-7]{1,5}$/.test(text)) return parseInt(text, 8) & 0o7777;
  throw new RuntimeError(
    Code.InvalidArgument,
    `${JSON.stringify(text)} is not a file mode in octal`,
  );
}
