import { replaceFile } from "../../common/base/replace_file.ts";
import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { isAlive, processStartTime } from "../../common/linux/process.ts";
import { cleanUp as cleanUpVm } from "../hypervisor/clean_up.ts";
import { parseVmState, type VmState } from "../hypervisor/vm_state.ts";
import { cleanUpShare } from "../share_fs/drivers.ts";
import { spareFolder, SPARES } from "./paths.ts";

/** What must outlive the process that keeps a spare VM. */
export interface SavedSpare {
  /** Names its folder, its VM and its share. */
  readonly key: string;
  readonly keeper: { readonly pid: number; readonly startTime: number };
  readonly vm: VmState;
  /** It is a sandbox's by now, whose own state says how to clean up. */
  readonly taken: boolean;
}

const KEY = /^spare-[0-9a-f]{8}$/;
const STATE = "spare.json";

/** A spare VM's folder (0700) and what stands in it; disposing removes both. */
export class SpareRecord implements Disposable {
  readonly key = `spare-${crypto.getRandomValues(new Uint8Array(4)).toHex()}`;
  readonly folder = spareFolder(this.key);

  /** @param driver The hypervisor's name. */
  constructor(driver: string) {
    Deno.mkdirSync(SPARES, { recursive: true, mode: 0o711 });
    Deno.mkdirSync(this.folder, { mode: 0o700 });
    this.save({ driver, id: this.key, stateDir: this.folder, processes: [] });
  }

  /** Keeps what a clean-up has to end. @param taken A sandbox's state tells of it, too. */
  save(vm: VmState, taken = false): void {
    const { pid } = Deno, keeper = { pid, startTime: processStartTime(pid) };
    const saved: SavedSpare = { key: this.key, keeper, vm, taken };
    replaceFile(`${this.folder}/${STATE}`, JSON.stringify(saved));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** All spare VMs that somebody keeps and no sandbox has. Those whose keeper has died are removed. */
export async function listSpares(): Promise<SavedSpare[]> {
  const living: SavedSpare[] = [];
  for (const key of spareKeys()) {
    const saved = await readSpare(key);
    if (saved?.taken) continue;
    if (saved && isAlive(saved.keeper.pid, saved.keeper.startTime)) living.push(saved);
    else await cleanUpSpare(key, saved?.vm);
  }
  return living;
}

function spareKeys(): string[] {
  try {
    return [...Deno.readDirSync(SPARES)].map(({ name }) => name).filter((name) => KEY.test(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function readSpare(key: string): Promise<SavedSpare | undefined> {
  try {
    const saved = JSON.parse(await Deno.readTextFile(`${spareFolder(key)}/${STATE}`)) as SavedSpare;
    return { ...saved, key, vm: parseVmState(saved.vm) };
  } catch (error) {
    log.warn("A spare VM's record cannot be read", { key, reason: messageOf(error) });
    return undefined; // its processes carry its mark
  }
}

function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // its keeper has removed it meanwhile
  }
}

/** Has a spare VM ended that nobody took, and waits until it and its keeper are gone. */
export async function endSpare({ key, keeper, vm }: SavedSpare): Promise<void> {
  await cleanUpVm({ ...vm, processes: [{ role: "keeper", ...keeper }, ...vm.processes] });
  await cleanUpSpare(key);
}

/** Ends a spare VM and removes what is left of it, from any process and any state. Idempotent. */
export async function cleanUpSpare(key: string, vm?: VmState): Promise<void> {
  const stateDir = spareFolder(key);
  for (const { name } of Deno.readDirSync(SPARES)) {
    if (name.endsWith(`.${key}.sock`)) removeFile(`${SPARES}/${name}`);
  }
  await cleanUpVm(vm ?? { driver: "", id: key, stateDir, processes: [] });
  await cleanUpShare(key);
  try {
    await Deno.remove(stateDir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
