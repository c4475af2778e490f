import { exists } from "../../common/base/exists.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Removes sockets and other files of a VMM's: it removes some itself, unless it was killed. */
export async function removeSockets(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/**
 * To be called before anything is made there.
 * @throws {RuntimeError} AlreadyExists: something is at one of the paths, which is not ours to remove.
 */
export function refuseTaken(vmm: string, paths: readonly string[]): void {
  for (const path of paths) {
    if (!exists(path)) continue;
    throw new RuntimeError(Code.AlreadyExists, `Cannot start ${vmm}: "${path}" is there already`);
  }
}
