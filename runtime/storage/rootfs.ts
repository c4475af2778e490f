import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { isMountPoint } from "../../common/linux/mountinfo.ts";
import { mountWithOptions, UMOUNT, unmount } from "../../common/linux/mount.ts";

/** A mount that the engine asks for. Source: containerd.types.Mount. */
export interface RootfsMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** Layers are stacked one on the other; an engine sends one or two. */
const MAX_MOUNTS = 64;

function mountOne(entry: RootfsMount, target: string): void {
  try {
    mountWithOptions(entry.source, target, entry.type, entry.options);
  } catch (error) {
    throw new RuntimeError(
      Code.Unknown,
      `Cannot mount ${entry.type} "${entry.source}" as root file system at "${target}": ${
        messageOf(error)
      }`,
    );
  }
}

/** Takes the root file system away, however many mounts lie on it. Repeating is harmless. */
export function unmountRootfs(target: string): void {
  for (let layer = 0; layer < MAX_MOUNTS && isMountPoint(target); layer++) {
    unmount(target, UMOUNT.DETACH | UMOUNT.NOFOLLOW);
  }
}

/**
 * Mounts a container's root file system, each mount over the one before.
 * @throws {RuntimeError} Nothing is left mounted then.
 */
export function mountRootfs(mounts: readonly RootfsMount[], target: string): void {
  if (mounts.length > MAX_MOUNTS) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot stack ${mounts.length} mounts at "${target}": at most ${MAX_MOUNTS}`,
    );
  }
  Deno.mkdirSync(target, { recursive: true });
  try {
    for (const entry of mounts) mountOne(entry, target);
  } catch (error) {
    unmountRootfs(target);
    throw error;
  }
}
