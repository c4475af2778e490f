/** IPC, UTS and perhaps PID namespaces of the pod: made by its first container, kept by bind mounts, joined by the rest. */
import { MNT_DETACH, mount, MS_BIND, unmount } from "../../common/linux/mount.ts";
import type { PodNamespaces } from "./spec_rules.ts";

type Kind = keyof PodNamespaces;

export class PodNamespaceFiles {
  readonly #dir: string;
  readonly #kept = new Map<Kind, string>();
  #creating: Promise<unknown> = Promise.resolve();

  /** @param dir Folder for one file a namespace. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Calls `create` with the namespaces to join, and keeps those that the new init brought.
   * As long as one is missing, one container is made at a time.
   * @param create Makes a container and returns the pid of its init.
   */
  async use(
    sharePid: boolean,
    create: (namespaces: PodNamespaces) => Promise<number>,
  ): Promise<void> {
    if (this.#complete(sharePid)) {
      await create(this.#paths(sharePid));
      return;
    }
    const turn = this.#creating.then(() => this.#first(sharePid, create));
    this.#creating = turn.catch(() => {});
    await turn;
  }

  async #first(
    sharePid: boolean,
    create: (namespaces: PodNamespaces) => Promise<number>,
  ): Promise<void> {
    const pid = await create(this.#paths(sharePid));
    for (const kind of kinds(sharePid)) {
      if (!this.#kept.has(kind)) await this.#keep(kind, pid);
    }
  }

  async #keep(kind: Kind, pid: number): Promise<void> {
    await Deno.mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const file = `${this.#dir}/${kind}`;
    await Deno.writeTextFile(file, "");
    mount(`/proc/${pid}/ns/${kind}`, file, "", MS_BIND);
    this.#kept.set(kind, file);
  }

  /** To be called when the init of the shared PID namespace has ended: nobody can join that any more. */
  dropPid(): void {
    this.#drop("pid");
  }

  /** Lets all of them go. */
  close(): void {
    for (const kind of kinds(true)) this.#drop(kind);
  }

  #drop(kind: Kind): void {
    const file = this.#kept.get(kind);
    this.#kept.delete(kind);
    if (file !== undefined) unmount(file, MNT_DETACH);
  }

  #complete(sharePid: boolean): boolean {
    return kinds(sharePid).every((kind) => this.#kept.has(kind));
  }

  #paths(sharePid: boolean): PodNamespaces {
    const entries = kinds(sharePid).map((kind) => [kind, this.#kept.get(kind)] as const);
    return Object.fromEntries(entries);
  }
}

function kinds(sharePid: boolean): Kind[] {
  return sharePid ? ["ipc", "uts", "pid"] : ["ipc", "uts"];
}
