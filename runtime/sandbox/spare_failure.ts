import { messageOf } from "../../common/base/errors.ts";
import { SPARES } from "./paths.ts";

const PATH = `${SPARES}/failure`;
/** So long after a failure nobody tries again, in milliseconds: what failed fails again, at the pods' expense. */
const RETRY_MS = 60_000;

/** Keeps why a spare VM could not be made, and forgets it when one could. @throws As the work. */
export async function noting<T>(work: Promise<T>): Promise<T> {
  let made: T;
  try {
    made = await work;
  } catch (error) {
    Deno.writeTextFileSync(PATH, messageOf(error), { mode: 0o600 });
    throw error;
  }
  forget();
  return made;
}

function forget(): void {
  try {
    Deno.removeSync(PATH);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Why the last attempt failed, if that was a short while ago. */
export function recentFailure(): string | undefined {
  try {
    const { mtime } = Deno.statSync(PATH);
    return Date.now() - (mtime?.getTime() ?? 0) < RETRY_MS
      ? Deno.readTextFileSync(PATH)
      : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
