import { Code, RuntimeError } from "../../common/base/errors.ts";
import { O, open } from "../../common/linux/fd.ts";
import { openat2, RESOLVE } from "../../common/linux/openat2.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/** What a copy needs to know of one file, folder or link. */
export interface TreeEntry {
  /** Relative to the top, `""` for the top itself. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  /** Permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Changes whenever content or target may have. */
  readonly version: string;
  /** Where a link points to. */
  readonly target?: string;
}

/** Bounds of what is copied into a guest's memory. */
export const MAX_ENTRIES = 20_000;
export const MAX_BYTES = 256 * 1024 * 1024;
const MAX_DEPTH = 64;

/** Nothing below the top leads out of it, whoever changes it meanwhile (CVE-2026-41326 is what happens otherwise). */
const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;

/** A file or folder of the host whose content is copied; opened once, so that it stays the same. */
export class HostTree implements Disposable {
  readonly #top: OwnedFd;
  readonly isFolder: boolean;

  /** @throws {RuntimeError} NotFound; InvalidArgument: neither file nor folder. */
  constructor(readonly source: string) {
    this.#top = new OwnedFd(openTop(source));
    const { isDirectory, isFile } = Deno.statSync(this.path);
    this.isFolder = isDirectory;
    if (isDirectory || isFile) return;
    this.#top.close();
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot copy ${JSON.stringify(source)}: it is neither a file nor a folder`,
    );
  }

  /** A path to the top that no rename changes. */
  get path(): string {
    return `/proc/self/fd/${this.#top.fd}`;
  }

  /** All entries, folders before what they hold. @throws {RuntimeError} ResourceExhausted. */
  entries(): TreeEntry[] {
    const found: TreeEntry[] = [];
    this.#scan("", 0, found);
    const bytes = found.reduce((sum, { size }) => sum + size, 0);
    if (bytes > MAX_BYTES) throw this.#tooMuch(`${bytes} bytes`);
    return found;
  }

  /** Opens a file for reading. @throws {SyscallError} ELOOP, EXDEV: a link has taken its place. */
  open(path: string): Deno.FsFile {
    if (path === "") return Deno.openSync(this.path);
    const flags = O.RDONLY | O.NONBLOCK;
    using fd = new OwnedFd(openat2(this.#top.fd, path, { flags, resolve: BENEATH }));
    return Deno.openSync(`/proc/self/fd/${fd.fd}`);
  }

  /** A path for inotify of a folder inside; `undefined` when it is gone. */
  folder<T>(path: string, use: (path: string) => T): T | undefined {
    if (path === "") return use(this.path);
    try {
      using fd = new OwnedFd(
        openat2(this.#top.fd, path, { flags: O.PATH | O.DIRECTORY, resolve: BENEATH }),
      );
      return use(`/proc/self/fd/${fd.fd}`);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#top.close();
  }

  #scan(path: string, depth: number, found: TreeEntry[]): void {
    if (found.length >= MAX_ENTRIES) throw this.#tooMuch(`more than ${MAX_ENTRIES} entries`);
    if (depth > MAX_DEPTH) throw this.#tooMuch(`more than ${MAX_DEPTH} folders in one another`);
    const entry = path === "" ? entryOf("", this.path, true) : this.#entry(path);
    if (!entry || isTransient(entry)) return;
    found.push(entry);
    if (entry.kind !== "folder") return;
    const names = this.folder(path, (at) => [...Deno.readDirSync(at)].map(({ name }) => name)) ??
      [];
    for (const name of names.sort()) {
      this.#scan(path === "" ? name : `${path}/${name}`, depth + 1, found);
    }
  }

  #entry(path: string): TreeEntry | undefined {
    const at = path.lastIndexOf("/");
    const parent = at === -1 ? "" : path.slice(0, at);
    return this.folder(parent, (folder) => entryOf(path, `${folder}/${path.slice(at + 1)}`, false));
  }

  #tooMuch(what: string): RuntimeError {
    return new RuntimeError(
      Code.ResourceExhausted,
      `Cannot copy ${JSON.stringify(this.source)} into the guest: it has ${what}`,
    );
  }
}

/**
 * The link that the kubelet makes for a moment, to rename it: in the guest the new content is to appear by one event, as
 * on the host. Source: Kubernetes, pkg/volume/util/atomic_writer.go.
 */
function isTransient({ path, kind }: TreeEntry): boolean {
  return kind === "link" && path === "..data_tmp";
}

function openTop(source: string): number {
  try {
    return open(source, O.PATH);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new RuntimeError(Code.NotFound, `Cannot copy ${JSON.stringify(source)}: it is not there`);
  }
}

function entryOf(path: string, at: string, follow: boolean): TreeEntry | undefined {
  try {
    const info = follow ? Deno.statSync(at) : Deno.lstatSync(at);
    const kind = kindOf(info);
    if (kind === undefined) return undefined; // devices, pipes and sockets mean nothing in the guest
    const target = kind === "link" ? Deno.readLinkSync(at) : undefined;
    return {
      ...{ path, kind, mode: (info.mode ?? 0) & 0o7777, uid: info.uid ?? 0, gid: info.gid ?? 0 },
      size: kind === "file" ? info.size : 0,
      version: target ?? [info.ino, info.size, info.mtime?.getTime(), info.ctime?.getTime()].join(),
      ...(target !== undefined && { target }),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // gone since it was listed
    throw error;
  }
}

function kindOf(info: Deno.FileInfo): TreeEntry["kind"] | undefined {
  if (info.isSymlink) return "link";
  if (info.isDirectory) return "folder";
  return info.isFile ? "file" : undefined;
}
