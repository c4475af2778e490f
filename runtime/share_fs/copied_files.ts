import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { IN, Inotify } from "../../common/linux/inotify.ts";
import { type CopyClient, GuestCopy } from "./guest_copy.ts";
import { HostTree } from "./host_tree.ts";
import { mountName } from "./layout.ts";
import { GUEST_FILES } from "./share_fs.ts";

/** Where copies lie in the guest, beside what is shared. */
const GUEST_COPIES = `${GUEST_FILES}/watchable`;

const FOLDER_EVENTS = IN.CREATE | IN.DELETE | IN.MOVED_FROM | IN.MOVED_TO | IN.CLOSE_WRITE |
  IN.ATTRIB;
const FILE_EVENTS = IN.MODIFY | IN.CLOSE_WRITE | IN.ATTRIB;

/** Whoever makes folder after folder is followed by events from then on. */
const MAX_ROUNDS = 32;

interface Volume {
  readonly containerId: string;
  readonly tree: HostTree;
  readonly copy: GuestCopy;
  readonly watches: Set<number>;
}

/**
 * Files of the host that the guest has copies of. What changes on the host changes in the guest, as soon as the host's
 * kernel tells; programs that watch their files there are told by the guest's.
 */
export class CopiedFiles implements AsyncDisposable {
  readonly #client: () => Promise<CopyClient>;
  readonly #volumes = new Set<Volume>();
  #inotify: Inotify | undefined;
  #following: Promise<void> = Promise.resolve();

  /** @param client The agent, once it answers. */
  constructor(client: () => Promise<CopyClient>) {
    this.#client = client;
  }

  /**
   * Copies a file or folder, and keeps the copy up to date until {@linkcode remove}.
   * @returns Its path in the guest.
   * @throws {RuntimeError} NotFound; ResourceExhausted: too large for a copy in the guest's memory.
   */
  async add(containerId: string, source: string, destination: string): Promise<string> {
    const client = await this.#client();
    const tree = new HostTree(source);
    const random = crypto.getRandomValues(new Uint8Array(8));
    const path = `${GUEST_COPIES}/${mountName(containerId, destination, random)}`;
    const copy = new GuestCopy(client, tree, path);
    const volume: Volume = { containerId, tree, copy, watches: new Set() };
    this.#volumes.add(volume);
    try {
      this.#watch(volume); // before the first look, so that nothing is missed
      await this.#bringUpToDate(volume);
      return path;
    } catch (error) {
      this.#volumes.delete(volume);
      tree[Symbol.dispose]();
      throw error;
    }
  }

  /** Removes a container's copies. Idempotent. @param guestLives Otherwise they went with it. */
  async remove(containerId: string, guestLives = true): Promise<void> {
    for (const volume of [...this.#volumes]) {
      if (volume.containerId !== containerId) continue;
      this.#volumes.delete(volume);
      volume.tree[Symbol.dispose]();
      if (guestLives) await volume.copy.remove();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inotify?.[Symbol.dispose]();
    await this.#following;
    for (const { tree } of this.#volumes) tree[Symbol.dispose]();
    this.#volumes.clear();
  }

  /** A folder that is new is looked into once more when it is watched: what came meanwhile was told to nobody. */
  async #bringUpToDate(volume: Volume): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await volume.copy.update();
      if (!this.#volumes.has(volume)) return;
      const before = volume.watches.size;
      this.#watch(volume);
      if (volume.watches.size === before) return;
    }
  }

  #watch({ tree, watches, copy }: Volume): void {
    const inotify = this.#inotify ??= this.#open();
    if (!tree.isFolder) {
      watches.add(inotify.add(tree.path, FILE_EVENTS));
      return;
    }
    for (const folder of ["", ...copy.folders]) {
      const number = tree.folder(folder, (path) => inotify.add(path, FOLDER_EVENTS));
      if (number !== undefined) watches.add(number);
    }
  }

  #open(): Inotify {
    const inotify = new Inotify();
    this.#following = this.#follow(inotify);
    return inotify;
  }

  async #follow(inotify: Inotify): Promise<void> {
    for (let seen = await inotify.next(); seen !== null; seen = await inotify.next()) {
      for (const volume of [...this.#volumes]) {
        const numbers = seen;
        if (numbers && !volume.watches.values().some((number) => numbers.has(number))) continue;
        await this.#update(volume);
      }
    }
  }

  /** A failure is told and the copy stays as it is: the next change tries again. */
  async #update(volume: Volume): Promise<void> {
    try {
      await this.#bringUpToDate(volume);
    } catch (error) {
      if (!this.#volumes.has(volume)) return;
      const reason = messageOf(error);
      log.warn("Cannot bring files in the guest up to date", {
        source: volume.tree.source,
        reason,
      });
    }
  }
}
