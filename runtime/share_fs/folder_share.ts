import { Code, RuntimeError } from "../../common/base/errors.ts";
import { mount, MS } from "../../common/linux/mount.ts";
import type { VmProcess } from "../hypervisor/vm_state.ts";
import type { Device } from "../hypervisor/device.ts";
import { checkName, mountName, type ShareLayout, shareLayout, SHARES } from "./layout.ts";
import { SANDBOX_MOUNTS, type SandboxMount } from "./sandbox_mounts.ts";
import { GUEST_SHARE, type GuestStorage, type HostMount, type ShareFs } from "./share_fs.ts";
import { stagedBind, takeDown } from "./staged_bind.ts";

/** Name of the share inside the VM. Source: Kata Containers' mountGuestTag. */
export const TAG = "kataShared";

export interface FolderShareOptions {
  readonly sandboxKey: string;
  /** Folder of all shares; tests have their own. */
  readonly base?: string;
  /** What the guest sees beside its containers' files. */
  readonly sandboxMounts?: readonly SandboxMount[];
}

/** Shows bind mounts to the guest through one folder that the VM has as a share. */
export abstract class FolderShare implements ShareFs {
  abstract readonly name: ShareFs["name"];
  abstract readonly devices: readonly Device[];
  abstract readonly storages: readonly GuestStorage[];
  abstract readonly lost: Promise<string>;
  abstract readonly processes: readonly VmProcess[];
  readonly #layout: ShareLayout;
  /** Names below `mounts`, by container. */
  readonly #names = new Map<string, Set<string>>();
  readonly #sandboxMounts: readonly SandboxMount[];
  /** Whether the folder is ours to remove. */
  #prepared = false;

  constructor(options: FolderShareOptions) {
    this.#layout = shareLayout(options.base ?? SHARES, options.sandboxKey);
    this.#sandboxMounts = options.sandboxMounts ?? [];
  }

  /** The folder that the VM exports. */
  get exported(): string {
    return this.#layout.shared;
  }

  prepare(): Promise<void> {
    return later(() => {
      if (!makeRoot(this.#layout.root)) {
        throw new RuntimeError(Code.AlreadyExists, `"${this.#layout.root}" is there already`);
      }
      using undo = new DisposableStack();
      undo.defer(() => takeDown(this.#layout.root));
      makeFolders(this.#layout);
      this.#bindForSandbox();
      undo.move();
      this.#prepared = true;
    });
  }

  shareRootfs(containerId: string, source: string): Promise<string> {
    return later(() => {
      const folder = checkName(containerId, "container");
      using undo = new DisposableStack();
      Deno.mkdirSync(`${this.#layout.mounts}/${folder}`, { mode: 0o755 });
      undo.defer(() => takeDown(`${this.#layout.mounts}/${folder}`));
      this.#bind(`${folder}/rootfs`, `${folder}-rootfs`, {
        source,
        readonly: "none",
        recursive: true,
        follows: false,
      });
      undo.move();
      return this.#shown(containerId, folder, "/rootfs");
    });
  }

  shareMount(containerId: string, host: HostMount): Promise<string> {
    return later(() => {
      const name = mountName(
        containerId,
        host.destination,
        crypto.getRandomValues(new Uint8Array(8)),
      );
      this.#bind(name, name, host);
      return this.#shown(containerId, name, "");
    });
  }

  remove(containerId: string): Promise<void> {
    return later(() => {
      for (const name of this.#names.get(containerId) ?? []) {
        takeDown(`${this.#layout.mounts}/${name}`);
      }
      this.#names.delete(containerId);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#prepared) return;
    await later(() => takeDown(this.#layout.root));
    this.#prepared = false;
    this.#names.clear();
  }

  #bindForSandbox(): void {
    if (this.#sandboxMounts.length === 0) return;
    Deno.mkdirSync(`${this.#layout.mounts}/${SANDBOX_MOUNTS}`, { mode: 0o755 });
    for (const { source, name, readonly } of this.#sandboxMounts) {
      const how = { recursive: true, follows: false, readonly: readonly ? "all" : "none" } as const;
      this.#bind(`${SANDBOX_MOUNTS}/${name}`, `${SANDBOX_MOUNTS}-${name}`, { source, ...how });
    }
  }

  #bind(target: string, stage: string, host: Omit<HostMount, "destination">): void {
    const { mounts, staging } = this.#layout;
    const { source, readonly, recursive, follows } = host;
    stagedBind({
      ...{ source, staging, name: stage, target: `${mounts}/${target}` },
      ...{ readonly, recursive, follows },
    });
  }

  #shown(containerId: string, name: string, below: string): string {
    const names = this.#names.get(containerId) ?? new Set();
    this.#names.set(containerId, names.add(name));
    return `${GUEST_SHARE}/${name}${below}`;
  }
}

/** Removes a sandbox's share from any state and any process. Idempotent. */
export function cleanUpFolder(sandboxKey: string, base = SHARES): Promise<void> {
  return later(() => takeDown(shareLayout(base, sandboxKey).root));
}

function makeRoot(root: string): boolean {
  Deno.mkdirSync(root.slice(0, root.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  try {
    Deno.mkdirSync(root, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/**
 * What is mounted below `mounts` appears below `shared` (propagation to a slave), where the guest cannot make files
 * beside it (the top is read-only) and from where nothing propagates back.
 */
function makeFolders({ mounts, shared, staging }: ShareLayout): void {
  for (const folder of [mounts, shared, staging]) Deno.mkdirSync(folder, { mode: 0o755 });
  bind(staging, staging, MS.PRIVATE);
  bind(mounts, mounts, MS.PRIVATE);
  mount("", mounts, "", MS.SHARED);
  bind(mounts, shared, MS.SLAVE);
  mount("", shared, "", MS.BIND | MS.REMOUNT | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC);
}

function bind(source: string, target: string, propagation: number): void {
  mount(source, target, "", MS.BIND);
  mount("", target, "", propagation);
}

/** Mounting takes microseconds and is done at once; failures come by the promise. */
function later<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
