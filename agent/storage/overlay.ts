/** Driver "overlayfs": layers that are mounted already, seen as one tree. */
import { mountWithOptions } from "../../common/linux/mount.ts";
import type { Leftovers, StorageRequest } from "./handlers.ts";

const OPTION_PREFIX = "io.katacontainers.fs-opt.";

/**
 * Options are overlayfs's own. `io.katacontainers.fs-opt.overlay-rw` makes the tree writable by an upper and a work
 * folder beside the mount point. Upper and work folders that are named are created.
 */
export async function mountOverlay(storage: StorageRequest, point: string): Promise<Leftovers> {
  const all = [...storage.options, ...storage.driverOptions];
  const options = all.filter((option) => !option.startsWith(OPTION_PREFIX));
  const own = all.includes(`${OPTION_PREFIX}overlay-rw`) ? [`${point}.upper`, `${point}.work`] : [];
  if (own.length > 0) options.push(`upperdir=${own[0]}`, `workdir=${own[1]}`);
  for (const option of options) {
    const folder = /^(?:upperdir|workdir)=(.+)$/.exec(option)?.[1];
    if (folder) await Deno.mkdir(folder, { recursive: true });
  }
  await Deno.mkdir(point, { recursive: true });
  mountWithOptions("overlay", point, "overlay", options);
  return own;
}
