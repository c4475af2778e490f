import { Code, RuntimeError } from "../../common/base/errors.ts";
import { isAlive, processStartTime } from "../../common/linux/process.ts";
import type { SandboxIdentity } from "./identity.ts";
import { sandboxFolder } from "./paths.ts";
import { loadState, type SavedContainer, type SavedSandbox, saveState } from "./state_file.ts";

/** The sandbox's folder and its state file, kept true while the shim lives. */
export class SandboxRecord implements Disposable {
  #state: SavedSandbox;

  private constructor(state: SavedSandbox) {
    this.#state = state;
    saveState(state);
  }

  /** Makes the folder. @throws {RuntimeError} AlreadyExists. */
  static create(identity: SandboxIdentity): SandboxRecord {
    const folder = sandboxFolder(identity.key);
    try {
      Deno.mkdirSync(folder.slice(0, folder.lastIndexOf("/")), { recursive: true, mode: 0o711 });
      Deno.mkdirSync(folder, { mode: 0o700 });
    } catch (cause) {
      const exists = cause instanceof Deno.errors.AlreadyExists;
      throw new RuntimeError(
        exists ? Code.AlreadyExists : Code.Unknown,
        `Cannot make the state folder "${folder}" of sandbox "${identity.id}"`,
        { cause },
      );
    }
    return new SandboxRecord({
      ...identity,
      shim: { pid: Deno.pid, startTime: processStartTime(Deno.pid) ?? 0 },
      containers: {},
    });
  }

  get state(): SavedSandbox {
    return this.#state;
  }

  update(change: Partial<Omit<SavedSandbox, "key" | "id" | "namespace" | "shim">>): void {
    this.#state = { ...this.#state, ...change };
    saveState(this.#state);
  }

  setContainer(id: string, container: SavedContainer): void {
    this.update({ containers: { ...this.#state.containers, [id]: container } });
  }

  removeContainer(id: string): void {
    const { [id]: _removed, ...containers } = this.#state.containers;
    this.update({ containers });
  }

  /** Removes the folder and all in it. */
  [Symbol.dispose](): void {
    Deno.removeSync(sandboxFolder(this.#state.key), { recursive: true });
  }
}

/** Whether the shim that wrote this state still serves the sandbox. */
export function isServed(state: SavedSandbox): boolean {
  return isAlive(state.shim.pid, state.shim.startTime);
}

/** The saved sandbox that holds the container, if any does. */
export async function findByContainer(
  keys: readonly string[],
  namespace: string,
  containerId: string,
): Promise<SavedSandbox | undefined> {
  for (const key of keys) {
    const state = await loadState(key);
    if (state?.namespace === namespace && containerId in state.containers) return state;
  }
  return undefined;
}
