import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { VmTemplate } from "../hypervisor.ts";
import type { VmmApi } from "../vmm_api.ts";
import { refuseOld } from "../template_files.ts";

/** Files of a snapshot's folder. Source: Cloud Hypervisor, docs/snapshot_restore.md. */
const NAMES = { config: "config.json", state: "state.json", memory: "memory-ranges" } as const;
/** How long writing or reading all of a guest's memory may take. */
const MEMORY_MS = 60_000;
/** Longest text of configuration and state, in characters. */
const MAX_STATE_CHARS = 64 * 1024 * 1024;

/** Both texts of a snapshot, as one file keeps them. */
interface SavedState {
  readonly config: string;
  readonly state: string;
}

/**
 * Saves a paused VM as a template: its memory as one file, all else as another.
 * @param stateDir The VM's.
 */
export async function saveSnapshot(
  api: VmmApi,
  template: VmTemplate,
  stateDir: string,
  signal: AbortSignal,
): Promise<void> {
  refuseOld(template);
  // Beside the memory's place: a rename must not copy it.
  const folder = `${template.memory}.snapshot`;
  await Deno.mkdir(folder, { mode: 0o700 });
  try {
    const body = { destination_url: `file://${folder}` };
    await api.put("/vm.snapshot", body, { signal, timeoutMs: MEMORY_MS });
    const saved: SavedState = {
      config: await Deno.readTextFile(`${folder}/${NAMES.config}`),
      state: await Deno.readTextFile(`${folder}/${NAMES.state}`),
    };
    await Deno.writeTextFile(template.state, JSON.stringify({ ...saved, stateDir }), {
      createNew: true,
      mode: 0o600,
    });
    await Deno.rename(`${folder}/${NAMES.memory}`, template.memory);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Makes a snapshot of a template that one VM can be restored from: what lies in the state folder of the VM that was
 * saved, its vsock, lies in the clone's. Memory is not copied, but linked to.
 * @param folder The new one.
 * @throws {RuntimeError} DataLoss: the template's state is none.
 */
export async function writeSnapshot(
  template: VmTemplate,
  folder: string,
  stateDir: string,
): Promise<void> {
  const saved = parseSaved(await Deno.readTextFile(template.state));
  const config = parseJson(saved.config);
  await Deno.mkdir(folder, { mode: 0o700 });
  const moved = JSON.stringify(relocated(config, saved.stateDir, stateDir));
  await Deno.writeTextFile(`${folder}/${NAMES.config}`, moved, { mode: 0o600 });
  await Deno.writeTextFile(`${folder}/${NAMES.state}`, saved.state, { mode: 0o600 });
  await Deno.symlink(template.memory, `${folder}/${NAMES.memory}`);
}

/** Restores a VM, which runs then. @param folder As {@linkcode writeSnapshot} made it. */
export async function restoreSnapshot(
  api: VmmApi,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const body = { source_url: `file://${folder}` };
  await api.put("/vm.restore", body, { signal, timeoutMs: MEMORY_MS });
  await api.put("/vm.resume", undefined, { signal });
}

/** Every path of one folder becomes the same in another. */
function relocated(value: unknown, from: string, to: string): unknown {
  if (typeof value === "string") {
    return value.startsWith(`${from}/`) ? `${to}${value.slice(from.length)}` : value;
  }
  if (Array.isArray(value)) return value.map((each) => relocated(each, from, to));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, relocated(each, from, to)]),
  );
}

function parseSaved(text: string): SavedState & { readonly stateDir: string } {
  if (text.length > MAX_STATE_CHARS) throw damaged();
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) throw damaged();
  const { config, state, stateDir } = value as Record<string, unknown>;
  if (typeof config !== "string" || typeof state !== "string" || typeof stateDir !== "string") {
    throw damaged();
  }
  return { config, state, stateDir };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged();
  }
}

function damaged(): RuntimeError {
  return new RuntimeError(Code.DataLoss, "The template's state is none of Cloud Hypervisor's");
}
