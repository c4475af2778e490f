import type { Share9p } from "../hypervisor/device.ts";
import { FolderShare, type FolderShareOptions, TAG } from "./folder_share.ts";
import { GUEST_SHARE, type GuestStorage } from "./share_fs.ts";

/** `cache_9p`. */
export type Cache9p = "none" | "mmap" | "loose";

export interface Virtio9pOptions extends FolderShareOptions {
  /** Longest message, in bytes. */
  readonly msize: number;
  readonly cache: Cache9p;
  readonly securityModel: Share9p["securityModel"];
}

/** A folder that the VMM itself serves by virtio-9p. */
export class Virtio9pShare extends FolderShare {
  readonly name = "virtio-9p";
  readonly processes = [];
  /** The VMM serves the files: only its own end is theirs. */
  readonly lost = new Promise<string>(() => {});
  readonly #options: Virtio9pOptions;

  constructor(options: Virtio9pOptions) {
    super(options);
    this.#options = options;
  }

  get devices(): readonly [Share9p] {
    const { securityModel } = this.#options;
    return [{ kind: "share-9p", tag: TAG, path: this.exported, readonly: false, securityModel }];
  }

  /**
   * `cache=mmap` keeps nothing but pages that are mapped shared, which programs need that map files; measured as fast
   * as no cache, while `loose` would show stale files. Owners come through as they are, device nodes do not work.
   */
  get storages(): readonly GuestStorage[] {
    const { cache, msize } = this.#options;
    const options = [
      "trans=virtio",
      "version=9p2000.L",
      `cache=${cache}`,
      `msize=${msize}`,
      "nodev",
    ];
    return [{ driver: "9p", source: TAG, fstype: "9p", options, mountPoint: GUEST_SHARE }];
  }
}
