/** Identifiers that become file names. */
import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Longest id, in characters: a file name may have 255, and suffixes are added. */
const MAX_ID_LENGTH = 200;

/** What newer crun accepts, and nothing that could climb out of a folder. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.+-]*$/;

/**
 * @returns The id itself.
 * @throws {RuntimeError} InvalidArgument.
 */
export function checkId(id: string, what: "container" | "exec"): string {
  if (id.length <= MAX_ID_LENGTH && ID.test(id)) return id;
  const shown = JSON.stringify(id.slice(0, MAX_ID_LENGTH));
  throw new RuntimeError(
    Code.InvalidArgument,
    `${shown} is not a valid ${what} id: letters, digits, "_", ".", "+" and "-" only, a letter or digit first, at most ${MAX_ID_LENGTH}`,
  );
}
