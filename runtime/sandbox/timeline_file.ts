import type { Step } from "../metrics/timeline.ts";
import { sandboxFolder } from "./paths.ts";

function timelinePath(key: string): string {
  return `${sandboxFolder(key)}/timeline.json`;
}

/** Keeps the steps of a start for as long as the sandbox lives. */
export async function saveTimeline(key: string, steps: readonly Step[]): Promise<void> {
  const path = timelinePath(key);
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(steps), { mode: 0o600 });
  await Deno.rename(`${path}.new`, path);
}

/** The steps of a start, or none when it has not ended. */
export async function loadTimeline(key: string): Promise<Step[]> {
  try {
    return JSON.parse(await Deno.readTextFile(timelinePath(key)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
