/** Ownership of a volume by a group (Kubernetes' fsGroup). */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { FsGroup, StorageRequest } from "./handlers.ts";

const ON_ROOT_MISMATCH = 1;
const SETGID = 0o2000;
const GROUP_READ_WRITE = 0o060;
const GROUP_EXECUTE = 0o010;

/** The group named by the option `fsgid=`. @throws {RuntimeError} InvalidArgument. */
export function groupOf(storage: Pick<StorageRequest, "options">): number | undefined {
  const option = storage.options.find((option) => option.startsWith("fsgid="));
  if (option === undefined) return undefined;
  const text = option.slice("fsgid=".length);
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new RuntimeError(Code.InvalidArgument, `${JSON.stringify(text)} is not a group id`);
}

/** Gives a folder to a group that may write in it, now and later. */
export async function setGroup(path: string, group: number): Promise<void> {
  await Deno.chown(path, null, group);
  const { mode } = await Deno.stat(path);
  await Deno.chmod(path, (mode ?? 0) & 0o7777 | SETGID | GROUP_READ_WRITE | GROUP_EXECUTE);
}

/** Applies the message's group to a whole tree, unless its policy says that the root tells enough. */
export async function applyFsGroup(root: string, group: FsGroup): Promise<void> {
  const { gid } = await Deno.stat(root);
  if (group.groupChangePolicy === ON_ROOT_MISMATCH && gid === group.groupId) return;
  await setGroupRecursively(root, group.groupId);
}

async function setGroupRecursively(path: string, group: number): Promise<void> {
  for await (const entry of Deno.readDir(path)) {
    const child = `${path}/${entry.name}`;
    if (entry.isSymlink) continue; // its target may lie outside of the volume
    if (entry.isDirectory) await setGroupRecursively(child, group);
    else await giveFile(child, group);
  }
  await setGroup(path, group);
}

async function giveFile(path: string, group: number): Promise<void> {
  await Deno.chown(path, null, group);
  const { mode } = await Deno.stat(path);
  await Deno.chmod(path, (mode ?? 0) & 0o7777 | GROUP_READ_WRITE);
}
