/** Names for short-lived files. */
import type { AgentPaths } from "./paths.ts";

let next = 0;

/** An absolute path that nobody else uses as a prefix, in a folder that exists. */
export async function scratchPrefix(paths: AgentPaths): Promise<string> {
  await Deno.mkdir(paths.scratch, { recursive: true, mode: 0o700 });
  return `${paths.scratch}/${++next}`;
}
