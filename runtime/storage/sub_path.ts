import { type MountInfo, readMountInfo } from "../../common/linux/mountinfo.ts";

/** How the kubelet binds a part of a volume: `<root>/pods/<uid>/volume-subpaths/<volume>/<container>/<number>`. */
const SUB_PATH = /^(\/pods\/[^/]+)\/volume-subpaths\/([^/]+)\/[^/]+\/\d+$/;

/** A folder inside an emptyDir. */
export interface SubPath {
  /** The emptyDir's path on the host. */
  readonly volume: string;
  /** What follows that, without a slash at its beginning. */
  readonly below: string;
}

/**
 * The emptyDir that a bind mount's source is a folder of, if it is one.
 * @param kubeletRoot Where the kubelet keeps its files.
 */
export function emptyDirSubPath(source: string, kubeletRoot: string): SubPath | undefined {
  const inside = source.startsWith(`${kubeletRoot}/`) ? source.slice(kubeletRoot.length) : "";
  const [, pod, name] = SUB_PATH.exec(inside) ?? [];
  if (pod === undefined) return undefined;
  const volume = `${kubeletRoot}${pod}/volumes/kubernetes.io~empty-dir/${name}`;
  if (!isFolder(volume) || !isFolder(source)) return undefined;
  const below = belowVolume(readMountInfo(), Deno.realPathSync(source), Deno.realPathSync(volume));
  return below === undefined ? undefined : { volume, below };
}

/** Exported for tests. @returns `undefined`: what is mounted at the source is no part of the volume. */
export function belowVolume(
  mounts: readonly MountInfo[],
  source: string,
  volume: string,
): string | undefined {
  const bound = mounts.findLast(({ mountPoint }) => mountPoint === source);
  const holder = mounts.filter(({ mountPoint }) => isBelow(volume, mountPoint))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length).at(-1);
  if (!bound || bound.device !== holder?.device) return undefined;
  const root = join(holder.root, volume.slice(holder.mountPoint.length));
  return isBelow(bound.root, root) ? bound.root.slice(join(root, "/").length) : undefined;
}

/** Whether a path is a folder's, or the folder itself. */
function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(join(folder, "/"));
}

/** `/` and `/a` are `/a`, and so are `/a` and nothing. */
function join(folder: string, rest: string): string {
  return folder.endsWith("/") ? folder + rest.replace(/^\//, "") : folder + rest;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
