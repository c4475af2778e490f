import { replaceFile } from "../../common/base/replace_file.ts";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import type { VmState } from "../hypervisor/vm_state.ts";
import type { SavedNetwork } from "../network/saved_network.ts";
import { SANDBOXES, sandboxFolder } from "./paths.ts";

/** How a process ended. */
export interface Exit {
  /** 0-255: the process's status, or 128 + signal; 255 when nobody knows. */
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What must outlive the shim for one container. */
export interface SavedContainer {
  readonly bundle: string;
  /** The pid that the engine was told. */
  readonly pid: number;
  /** Whether the shim mounted the root file system at `<bundle>/rootfs`. */
  readonly rootfsMounted: boolean;
  readonly exit?: Exit;
}

/** What must outlive the shim: enough to find and remove everything of the sandbox. */
export interface SavedSandbox {
  readonly key: string;
  readonly id: string;
  readonly namespace: string;
  readonly shim: { readonly pid: number; readonly startTime: number };
  readonly vm?: VmState;
  /** The spare VM that became this sandbox's, with its folder and its share. */
  readonly spare?: string;
  /** Its cgroups on the host, as names from the root of a hierarchy down. */
  readonly cgroups?: readonly (readonly string[])[];
  readonly network?: SavedNetwork;
  readonly containers: Readonly<Record<string, SavedContainer>>;
}

const MAX_STATE_BYTES = 4 * 1024 * 1024;

function statePath(key: string): string {
  return `${sandboxFolder(key)}/state.json`;
}

/** Writes the state so that a reader sees the old or the new one, never a part. */
export function saveState(state: SavedSandbox): void {
  replaceFile(statePath(state.key), JSON.stringify(state));
}

/**
 * @returns The state, or `undefined` when there is none.
 * @throws {RuntimeError} DataLoss: a file is there, but it is not one of ours.
 */
export async function loadState(
  key: string,
): Promise<SavedSandbox | undefined> {
  try {
    const { size } = await Deno.stat(statePath(key));
    if (size > MAX_STATE_BYTES) throw new Error(`${size} bytes are too many`);
    return JSON.parse(await Deno.readTextFile(statePath(key))) as SavedSandbox;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new RuntimeError(
      Code.DataLoss,
      `Cannot read "${statePath(key)}": ${messageOf(error)}`,
    );
  }
}

/** The keys of all sandboxes that have a folder. */
export async function listSandboxes(): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(SANDBOXES));
    return entries.filter((entry) => entry.isDirectory).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
