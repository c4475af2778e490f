/** CopyFile: what the host writes when it shares no file system. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { O, open } from "../../common/linux/fd.ts";
import { openat2, RESOLVE } from "../../common/linux/openat2.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/** Members of Kata's CopyFileRequest. */
export interface CopyFile {
  readonly path: string;
  readonly fileSize: bigint;
  /** Type and permissions, as in st_mode. */
  readonly fileMode: number;
  /** Permissions of folders that are made on the way. */
  readonly dirMode: number;
  readonly uid: number;
  readonly gid: number;
  readonly offset: bigint;
  readonly data: Uint8Array;
}

/** Source: inode(7), "The file type and mode". */
const TYPE_MASK = 0o170000, FOLDER = 0o040000, LINK = 0o120000, FILE = 0o100000;
/** "Nothing here any more", as overlay file systems write it. */
const NOTHING = 0o020000;
/** Of a file: a mount shows it, so it is not replaced by another one but gets the other one's content. */
const IN_PLACE = 0o1000;
const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
const CHUNK_BYTES = 65536;
const DEFAULT_DIR_MODE = 0o750;

/**
 * Makes a file (piece by piece, under its name only once complete), folder or link beneath `root`.
 * No link on the way is followed, whoever made it. Source: GHSA-q49m-57vm-c8cc is what happens otherwise.
 * @throws {RuntimeError} InvalidArgument: outside of `root`. PermissionDenied: a link on the way.
 */
export async function copyFile(root: string, request: CopyFile): Promise<void> {
  const { folders, name } = splitPath(root, request.path);
  await Deno.mkdir(root, { recursive: true });
  const removal = (request.fileMode & TYPE_MASK) === NOTHING;
  const mode = removal ? undefined : request.dirMode || DEFAULT_DIR_MODE;
  using folder = await openFolder(root, folders, mode);
  if (folder === undefined) return; // nothing there to be removed
  const target = `/proc/self/fd/${folder.fd}/${name}`;
  switch (request.fileMode & TYPE_MASK) {
    case FOLDER:
      return await makeFolder(target, request);
    case LINK:
      return await makeLink(target, request);
    case NOTHING:
      return await removeIfThere(target);
    case FILE:
    case 0:
      return await writePiece(folder.fd, name, request);
    default:
      throw invalid(request.path, "is neither a file nor a folder nor a link");
  }
}

/** The parts of a path beneath `root`. @throws {RuntimeError} InvalidArgument. */
export function splitPath(root: string, path: string): { folders: string[]; name: string } {
  if (!path.startsWith(`${root}/`)) throw invalid(path, `is not beneath ${root}`);
  const parts = path.slice(root.length + 1).split("/").filter((part) => part !== "");
  const plain = parts.every((part) => part !== ".." && part !== "." && !part.includes("\0"));
  const name = parts.pop();
  if (!plain || name === undefined) throw invalid(path, "is not a plain path");
  return { folders: parts, name };
}

/** Opens one folder after the other; makes what is missing, unless `mode` is. @returns Nothing where one is missing. */
async function openFolder(
  root: string,
  folders: string[],
  mode: number | undefined,
): Promise<OwnedFd | undefined> {
  let folder = new OwnedFd(open(root, O.PATH | O.DIRECTORY));
  try {
    for (const name of folders) {
      const fd = await openChild(folder.fd, name, mode);
      folder.close();
      if (fd === undefined) return undefined;
      folder = new OwnedFd(fd);
    }
    return folder;
  } catch (error) {
    folder.close();
    throw error;
  }
}

async function openChild(
  parent: number,
  name: string,
  mode: number | undefined,
): Promise<number | undefined> {
  try {
    return beneath(parent, name, O.PATH | O.DIRECTORY);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    if (mode === undefined) return undefined;
    await Deno.mkdir(`/proc/self/fd/${parent}/${name}`, { mode });
    return beneath(parent, name, O.PATH | O.DIRECTORY);
  }
}

function beneath(folder: number, name: string, flags: number, mode?: number): number {
  try {
    return openat2(folder, name, { flags, resolve: BENEATH, ...(mode !== undefined && { mode }) });
  } catch (error) {
    if (!isErrno(error, "ELOOP", "EXDEV", "ENOTDIR")) throw error;
    throw new RuntimeError(
      Code.PermissionDenied,
      `${JSON.stringify(name)} is a link or no folder: not followed`,
    );
  }
}

async function makeFolder(target: string, request: CopyFile): Promise<void> {
  try {
    await Deno.mkdir(target);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (!(await Deno.lstat(target)).isDirectory) throw error;
  }
  await own(target, request);
}

/** The data is where the link points to; whatever stood there is replaced in one step. */
async function makeLink(target: string, request: CopyFile): Promise<void> {
  const temporary = `${target}.tmp`;
  await removeIfThere(temporary);
  await Deno.symlink(new TextDecoder().decode(request.data), temporary);
  await Deno.rename(temporary, target);
}

async function writePiece(folder: number, name: string, request: CopyFile): Promise<void> {
  const { offset, data, fileSize } = request;
  const end = offset + BigInt(data.length);
  if (offset < 0n || end > fileSize) throw invalid(request.path, "has more bytes than announced");
  const temporary = `${name}.tmp`;
  using fd = new OwnedFd(
    beneath(folder, temporary, O.WRONLY | O.CREAT | (offset === 0n ? O.TRUNC : 0), 0o600),
  );
  await writeAt(`/proc/self/fd/${fd.fd}`, Number(offset), data);
  if (end < fileSize) return;
  await own(`/proc/self/fd/${fd.fd}`, request);
  const at = `/proc/self/fd/${folder}`;
  if (request.fileMode & IN_PLACE && await overwrite(folder, name, `${at}/${temporary}`)) {
    await Deno.remove(`${at}/${temporary}`);
  } else await Deno.rename(`${at}/${temporary}`, `${at}/${name}`);
}

/** Gives a file that is there another one's content. @returns False when it is not there. */
async function overwrite(folder: number, name: string, from: string): Promise<boolean> {
  try {
    using fd = new OwnedFd(beneath(folder, name, O.WRONLY | O.TRUNC));
    using source = await Deno.open(from);
    using target = await Deno.open(`/proc/self/fd/${fd.fd}`, { write: true });
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let n = await source.read(buffer); n !== null; n = await source.read(buffer)) {
      await writeAll(target, buffer.subarray(0, n));
    }
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

async function writeAt(path: string, offset: number, data: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  await writeAll(file, data);
}

async function writeAll(file: Deno.FsFile, data: Uint8Array): Promise<void> {
  for (let rest = data; rest.length > 0;) rest = rest.subarray(await file.write(rest));
}

async function own(path: string, request: CopyFile): Promise<void> {
  await Deno.chown(path, request.uid, request.gid);
  await Deno.chmod(path, request.fileMode & 0o7777 & ~IN_PLACE);
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function invalid(path: string, why: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, `${JSON.stringify(path.slice(0, 256))} ${why}`);
}
