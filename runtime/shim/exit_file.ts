import { replaceFile } from "../../common/base/replace_file.ts";
import type { Exit } from "../sandbox/state_file.ts";

/** How a container's init ended, as the engine was or will be told. */
export interface SavedExit {
  readonly pid: number;
  readonly exit: Exit;
}

/** In the bundle, which outlives the sandbox: `delete` is called after the shim's regular end too. */
function exitPath(bundle: string): string {
  return `${bundle}/kata-exit.json`;
}

/** Keeps the exit, so that `delete` repeats it. A reader sees all of it or nothing. */
export function saveExit(bundle: string, saved: SavedExit): void {
  const path = exitPath(bundle);
  try {
    replaceFile(path, JSON.stringify(saved));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // the engine has removed the bundle: nobody will ask
  }
}

function isNumber(value: unknown, highest: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= highest;
}

/** Parses the file's text; whatever is not one of ours counts as absent. */
export function parseExit(text: string): SavedExit | undefined {
  try {
    const { pid, exit: { status, at } } = JSON.parse(text);
    const valid = isNumber(pid, 2 ** 22) && isNumber(status, 255) && isNumber(at, 8.64e15);
    return valid ? { pid, exit: { status, at } } : undefined;
  } catch {
    return undefined; // cut short by a crash
  }
}

/** The exit that was kept in a bundle, if any. */
export function loadExit(bundle: string): SavedExit | undefined {
  try {
    return parseExit(Deno.readTextFileSync(exitPath(bundle)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
