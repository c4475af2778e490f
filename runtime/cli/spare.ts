import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import { tryLock } from "../../common/linux/flock.ts";
import {
  becomeSubreaper,
  priority,
  setOomScoreAdj,
  setPriority,
  setPriorityOf,
} from "../../common/linux/process.ts";
import { reaper } from "../../common/linux/reaper.ts";
import type { RuntimeConfig } from "../config/load.ts";
import { spawnMaker } from "../factory/maker.ts";
import { joinCgroupsOf } from "../sandbox/cgroup/join.ts";
import { SPARES } from "../sandbox/paths.ts";
import { listSpares } from "../sandbox/spare_record.ts";
import { noting, recentFailure } from "../sandbox/spare_failure.ts";
import { SpareVm } from "../sandbox/spare_vm.ts";
import { shimEnvironment } from "../shim/environment.ts";
import { serve } from "../shim/serve.ts";
import { joinCgroup } from "../shim/shim_cgroup.ts";
import type { Claim } from "../shim/spare/claim.ts";
import { type Claimed, handOut } from "../shim/spare/hand_out.ts";
import { viewOf } from "../shim/spare/view.ts";
import { readConfig } from "./maker_input.ts";

/** Longest time for a spare VM to be made, on a busy host with an emulated guest, in milliseconds. */
const MAKE_MS = 5 * 60 * 1000;
/** Who prepares gives way to pods. */
const NICE = 19;

/**
 * What a spare VM's keeper does: makes it, waits until somebody wants it, and becomes the shim of that sandbox. One
 * is made at a time; each sees to the next, until there are as many as configured.
 */
export async function keepSpare(): Promise<string> {
  const nice = priority();
  setPriority(NICE);
  becomeSubreaper();
  reaper().adoptOrphans();
  const config = await readConfig();
  const spare = await makeOne(config, nice);
  if (spare === undefined) return "";
  try {
    const ended = new AbortController();
    void spare.vm.exited.then(({ reason }) => ended.abort(new Error(`The VM ended: ${reason}`)));
    const view = await viewOf(config.sources[0]);
    await becomeShim(spare, await handOut(view, spare.key, ended.signal));
  } finally {
    await spare[Symbol.asyncDispose]();
  }
  return "";
}

/**
 * @param nice How much it gives way once it stands ready.
 * @returns `undefined` where there are enough, or another is being made.
 */
async function makeOne(config: RuntimeConfig, nice: number): Promise<SpareVm | undefined> {
  Deno.mkdirSync(SPARES, { recursive: true, mode: 0o711 });
  using lock = tryLock(`${SPARES}/lock`);
  if (!lock) return undefined;
  const { vmCacheNumber } = config.factory, { length } = await listSpares();
  if (length >= vmCacheNumber) return undefined;
  if (recentFailure() !== undefined) return undefined;
  const spare = await noting(SpareVm.start(config, AbortSignal.timeout(MAKE_MS)));
  for (const pid of [Deno.pid, spare.vm.pid]) setPriorityOf(pid, nice);
  lock[Symbol.dispose]();
  if (length + 1 < vmCacheNumber) await spawnMaker("spare", config, () => Promise.resolve());
  return spare;
}

/** @param claimed Who asks is told why, where this cannot be what he wants; he starts a shim then. */
async function becomeShim(spare: SpareVm, { claim, report }: Claimed): Promise<void> {
  const bornMs = monotonicMs();
  try {
    await moveTo(claim, [Deno.pid, spare.vm.pid]);
    takeEnvironment(claim);
  } catch (error) {
    report.failed(messageOf(error));
    throw error;
  }
  const { ttrpcAddress, startedMs } = shimEnvironment((name) => Deno.env.get(name));
  await serve(claim.invocation, { ttrpcAddress, startedMs }, { bornMs, report, spare });
}

/** Both go where the engine wants its shim to be, and are spared or not when memory is short as it says. */
async function moveTo(
  { cgroups, shimCgroup, oomScoreAdj }: Claim,
  pids: readonly number[],
): Promise<void> {
  await joinCgroupsOf(cgroups, pids);
  for (const pid of pids) {
    if (shimCgroup !== "") joinCgroup(shimCgroup, pid);
    setOomScoreAdj(pid, oomScoreAdj);
  }
}

function takeEnvironment({ bundle, variables }: Claim): void {
  for (const name of Object.keys(Deno.env.toObject())) Deno.env.delete(name);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  Deno.chdir(bundle);
  log.debug("This shim was ready before", { bundle });
}
