import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { O, open } from "../../common/linux/fd.ts";
import { mount, MS, UMOUNT, unmountTree } from "../../common/linux/mount.ts";
import { type MountInfo, mountsUnder } from "../../common/linux/mountinfo.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import type { ReadOnly } from "./share_fs.ts";

/** Never follows a link that a guest may have put in the way. Source: CVE-2020-2024. */
const DETACH = UMOUNT.DETACH | UMOUNT.NOFOLLOW;

/** Options of a mount in mountinfo, and the flag that keeps each when remounting. */
const KEPT: Readonly<Record<string, number>> = {
  ro: MS.RDONLY,
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  noatime: MS.NOATIME,
  nodiratime: MS.NODIRATIME,
  relatime: MS.RELATIME,
};

export interface StagedBind {
  readonly source: string;
  /** A name in `staging` that nobody else uses. */
  readonly name: string;
  readonly staging: string;
  /** Does not exist yet; its folder does. */
  readonly target: string;
  readonly readonly: ReadOnly;
  readonly recursive: boolean;
  /** Whether later mounts below the source come along. */
  readonly follows: boolean;
}

/**
 * Binds `source` to `target` without set-user-ID programs and device nodes, on request read-only. The restrictions
 * are set where nobody looks, and the result is bound to where the guest sees it: it never sees the mount without.
 * @throws {RuntimeError} NotFound: no such source. InvalidArgument: a device. Everything is undone on failure.
 */
export function stagedBind(bind: StagedBind): void {
  const stage = `${bind.staging}/${bind.name}`;
  using undo = new DisposableStack();
  using source = new OwnedFd(openSource(bind.source));
  // Through the descriptor: what was checked is what is mounted, whoever renames files meanwhile.
  const pinned = `/proc/self/fd/${source.fd}`;
  const { isDirectory } = checkShareable(bind.source, Deno.statSync(pinned));
  const rec = bind.recursive ? MS.REC : 0;
  undo.defer(() => takeDown(stage));
  makeNode(stage, isDirectory);
  mount(pinned, stage, "", MS.BIND | rec);
  // Never a peer of the source: what is unmounted here must not be unmounted there.
  mount("", stage, "", MS.REC | (bind.follows ? MS.SLAVE : MS.PRIVATE));
  for (const { mountPoint, options } of mountsUnder(stage)) {
    const readonly = bind.readonly === "all" || (bind.readonly === "top" && mountPoint === stage);
    restrict(mountPoint, options, MS.NOSUID | MS.NODEV | (readonly ? MS.RDONLY : 0));
  }
  bindTo(stage, bind.target, isDirectory);
}

function openSource(path: string): number {
  try {
    return open(path, O.PATH);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new RuntimeError(
      Code.NotFound,
      `Cannot share ${JSON.stringify(path)}: ${messageOf(error)}`,
    );
  }
}

function checkShareable(path: string, info: Deno.FileInfo): Deno.FileInfo {
  if (!info.isBlockDevice && !info.isCharDevice) return info;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Cannot share ${JSON.stringify(path)}: it is a device`,
  );
}

function makeNode(path: string, folder: boolean): void {
  if (folder) Deno.mkdirSync(path, { mode: 0o755 });
  else Deno.writeFileSync(path, new Uint8Array(), { createNew: true, mode: 0o644 });
}

function restrict(path: string, options: MountInfo["options"], extra: number): void {
  const kept = options.reduce((flags, option) => flags | (KEPT[option] ?? 0), 0);
  mount("", path, "", MS.BIND | MS.REMOUNT | kept | extra);
}

function bindTo(stage: string, target: string, folder: boolean): void {
  makeNode(target, folder);
  try {
    mount(stage, target, "", MS.BIND | MS.REC);
  } catch (error) {
    Deno.removeSync(target);
    throw error;
  }
}

/** Unmounts what is mounted on and below `path` and removes it, if it is there. Never deletes what it has not made. */
export function takeDown(path: string): void {
  unmountTree(path, DETACH);
  const [left] = mountsUnder(path);
  if (left) throw new RuntimeError(Code.Internal, `Cannot unmount "${left.mountPoint}"`);
  removeNodes(path);
}

/** Removes folders, and files without content: mount points. Anything else is somebody's data and stays. */
function removeNodes(path: string): void {
  const info = lstat(path);
  if (!info) return;
  if (info.isDirectory) {
    for (const { name } of [...Deno.readDirSync(path)]) removeNodes(`${path}/${name}`);
  } else if (!info.isFile || info.size > 0) {
    throw new RuntimeError(Code.Internal, `Cannot remove "${path}": it is no empty mount point`);
  }
  Deno.removeSync(path);
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
