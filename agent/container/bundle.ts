/** A container's folder: config.json for crun. */
import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { type OciSpec, stringifyOci } from "./oci_types.ts";
import type { AgentPaths } from "./paths.ts";

/** Writes the bundle, which is nobody else's; other users pass above it on their way to root file systems. @returns Its absolute path. */
export async function writeBundle(
  paths: AgentPaths,
  containerId: string,
  spec: OciSpec,
): Promise<string> {
  const bundle = bundlePath(paths, containerId);
  await Deno.mkdir(paths.run, { recursive: true });
  await Deno.mkdir(bundle, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(`${bundle}/config.json`, stringifyOci(spec));
  return bundle;
}

export function bundlePath(paths: AgentPaths, containerId: string): string {
  return `${paths.run}/${containerId}`;
}

/**
 * Removes a bundle, but never what is mounted in it: only plain files and empty folders go.
 * What cannot go is reported and stays.
 */
export async function removeBundle(bundle: string): Promise<void> {
  try {
    for await (const entry of Deno.readDir(bundle)) {
      await Deno.remove(`${bundle}/${entry.name}`);
    }
    await Deno.remove(bundle);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    log.warn("cannot remove a bundle", { bundle, error: messageOf(error) });
  }
}
