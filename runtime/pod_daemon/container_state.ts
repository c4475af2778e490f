import { replaceFile } from "../../common/base/replace_file.ts";
import { isAlive } from "../../common/linux/process.ts";

/** What a container is doing. Source: runtime-spec runtime.md, "State"; `paused` is runc's. */
export type ContainerStatus = "created" | "running" | "paused" | "stopped";

/** A container of the OCI command line, as its state file has it: whoever asks for its state needs nobody's answer. */
export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: ContainerStatus;
  /** The process on the host that stands for its init, and when that started, in clock ticks after boot. */
  readonly pid: number;
  readonly startTime: number;
  readonly bundle: string;
  readonly rootfs: string;
  /** When it was made, as RFC 3339 has it. */
  readonly created: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owner: string;
  /** The pod that it belongs to. */
  readonly sandboxId: string;
  /** Where its relays are counted on the host, as names from the root of a hierarchy down. */
  readonly cgroup: readonly string[];
}

/** The folder of a container's state, below the command line's `--root`. */
export function containerFolder(root: string, id: string): string {
  return `${root}/${id}`;
}

function statePath(root: string, id: string): string {
  return `${containerFolder(root, id)}/state.json`;
}

/** Writes the state so that a reader sees the old or the new one, never a part. Nothing is done once it is deleted. */
export function saveContainerState(root: string, state: ContainerState): void {
  const path = statePath(root, state.id);
  try {
    replaceFile(path, JSON.stringify(state));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // its folder was removed by force
  }
}

/**
 * Reads a container's state, corrected by what became of its process: one that has ended makes it stopped, whatever
 * the file says, as when its pod's daemon was killed.
 * @returns `undefined` when there is none.
 */
export function loadContainerState(root: string, id: string): ContainerState | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(statePath(root, id));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
  const state = JSON.parse(text) as ContainerState;
  if (state.status === "stopped" || isAlive(state.pid, state.startTime)) return state;
  return { ...state, status: "stopped" };
}

/** All containers below a root, by id. */
export function listContainerStates(root: string): ContainerState[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(root)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return names.map((id) => loadContainerState(root, id)).filter((state) => state !== undefined);
}
