/** What the host asks the guest to mount, counted by mount point. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { MNT_DETACH, UMOUNT_NOFOLLOW, unmount } from "../../common/linux/mount.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { sync } from "../../common/linux/system.ts";
import { type FindDisk, handlerOf, type Leftovers, type StorageRequest } from "./handlers.ts";

interface Entry {
  users: number;
  /** Stays when its last user leaves, until the sandbox ends. */
  readonly shared: boolean;
  readonly mounted: Promise<Leftovers>;
  leftovers: Leftovers;
}

export class StorageTable {
  readonly #entries = new Map<string, Entry>();
  readonly #findDisk: FindDisk;

  constructor(findDisk: FindDisk) {
    this.#findDisk = findDisk;
  }

  /**
   * Mounts in order; what is mounted already is only counted.
   * @returns The mount points to give to {@linkcode release}, once each.
   * @throws {RuntimeError} Names the storage; those before it are released again.
   */
  async add(storages: readonly StorageRequest[]): Promise<string[]> {
    const added: string[] = [];
    try {
      for (const storage of storages) {
        const point = checkMountPoint(storage.mountPoint);
        await this.#addOne(storage, point);
        added.push(point);
      }
    } catch (error) {
      this.release(added);
      throw error;
    }
    return added;
  }

  async #addOne(storage: StorageRequest, point: string): Promise<void> {
    const existing = this.#entries.get(point);
    if (existing) {
      await existing.mounted;
      existing.users++;
      return;
    }
    const mounted = mountOne(storage, point, this.#findDisk);
    const entry: Entry = { users: 1, shared: storage.shared, mounted, leftovers: [] };
    this.#entries.set(point, entry);
    try {
      entry.leftovers = await mounted;
    } catch (error) {
      this.#entries.delete(point);
      throw error;
    }
  }

  /** Gives storages back, last first; each is unmounted when its last user leaves. */
  release(points: readonly string[]): void {
    for (const point of points.toReversed()) {
      const entry = this.#entries.get(point);
      if (!entry || --entry.users > 0 || entry.shared) continue;
      this.#unmount(point);
    }
  }

  /** Unmounts everything, last first. */
  close(): void {
    for (const point of [...this.#entries.keys()].toReversed()) {
      this.#unmount(point);
    }
  }

  #unmount(point: string): void {
    const leftovers = this.#entries.get(point)?.leftovers ?? [];
    this.#entries.delete(point);
    try {
      unmountNow(point);
      for (const path of leftovers) Deno.removeSync(path, { recursive: true });
    } catch (error) {
      log.warn("cannot remove a storage", { mountPoint: point, error: messageOf(error) });
    }
  }
}

/** At once, so that all is written when the disk is taken away; later where something still holds on to it. */
function unmountNow(point: string): void {
  try {
    unmount(point, UMOUNT_NOFOLLOW);
  } catch (error) {
    // EINVAL: never a mount of its own, such as a folder of driver "local".
    if (isErrno(error, "EINVAL", "ENOENT")) return;
    if (!isErrno(error, "EBUSY")) throw error;
    sync();
    unmount(point, MNT_DETACH | UMOUNT_NOFOLLOW);
  }
}

async function mountOne(
  storage: StorageRequest,
  point: string,
  findDisk: FindDisk,
): Promise<Leftovers> {
  try {
    const handler = await handlerOf(storage.driver);
    return await handler(storage, point, findDisk) ?? [];
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    throw new RuntimeError(
      Code.Internal,
      `Cannot mount ${storage.driver} storage ${JSON.stringify(storage.source)} on "${point}": ${
        messageOf(error)
      }`,
    );
  }
}

/** @throws {RuntimeError} InvalidArgument unless the path is absolute and plain. */
export function checkMountPoint(path: string): string {
  const segments = path.split("/");
  const plain = path.startsWith("/") && path !== "/" && !path.includes("\0") &&
    segments.slice(1).every((segment) => segment !== ".." && segment !== ".");
  if (plain) return path.replace(/\/+$/, "");
  throw new RuntimeError(
    Code.InvalidArgument,
    `${
      JSON.stringify(path.slice(0, 256))
    } is not a mount point: an absolute path without "." and ".."`,
  );
}
