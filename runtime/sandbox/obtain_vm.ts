import { log } from "../../common/base/log.ts";
import { type StartedVm, startVm } from "../factory/start_vm.ts";
import type { Device, Net } from "../hypervisor/device.ts";
import type { Hypervisor, VmSpec } from "../hypervisor/hypervisor.ts";
import type { CopiedFiles } from "../share_fs/copied_files.ts";
import { createShareFs } from "../share_fs/drivers.ts";
import type { ShareFs } from "../share_fs/share_fs.ts";
import type { SandboxOptions } from "./sandbox.ts";
import type { SandboxRecord } from "./sandbox_record.ts";
import type { SpareVm } from "./spare_vm.ts";
import { baseSize } from "./vm_size.ts";
import { vmSpecOf } from "./vm_spec.ts";

/** What the sandbox brings. */
export interface VmSource {
  readonly hypervisor: Hypervisor;
  readonly nets: readonly Net[];
  readonly netnsPath: string | undefined;
  readonly folder: string;
  readonly copies: CopiedFiles;
}

/** A sandbox's VM, and what it has had from its start. Disposing of it ends the VM, then the share. */
export interface ObtainedVm extends AsyncDisposable {
  readonly share: ShareFs;
  readonly spec: VmSpec;
  readonly started: StartedVm;
  /** It was there before, and its processes are not yet where the sandbox's are. */
  readonly taken: boolean;
}

/** Takes over the VM that waits for a sandbox, if it fits, or starts one. @throws {RuntimeError} Nothing is left then. */
export async function obtainVm(
  options: SandboxOptions,
  source: VmSource,
  record: SandboxRecord,
  signal: AbortSignal,
): Promise<ObtainedVm> {
  const { spare } = options;
  if (spare === undefined) return await startOwn(options, source, record, signal);
  const spec = specWith(spare.share.devices, options, source);
  const wanted = { spec, base: baseSize(options.config.hypervisor) };
  const why = await spare.whyNot(options.config, source.hypervisor, wanted);
  if (why === undefined) return await takeOver(spare, spec, options, source, record);
  log.info("The spare VM is of no use", { spare: spare.key, why });
  const [own] = await Promise.all([
    startOwn(options, source, record, signal),
    spare[Symbol.asyncDispose](),
  ]);
  return own;
}

function specWith(
  devices: readonly Device[],
  { identity, config, bundle }: SandboxOptions,
  { hypervisor, nets, netnsPath, folder }: VmSource,
): VmSpec {
  return vmSpecOf(identity, config, bundle, folder, {
    devices: [...devices, ...nets],
    netnsPath,
    resizable: hypervisor.capabilities.resize,
  });
}

async function startOwn(
  options: SandboxOptions,
  source: VmSource,
  record: SandboxRecord,
  signal: AbortSignal,
): Promise<ObtainedVm> {
  const { config, identity, timeline } = options, { folder, copies, hypervisor } = source;
  await using undo = new AsyncDisposableStack();
  const share = undo.use(createShareFs({ config, sandboxKey: identity.key, folder, copies }));
  await timeline.step("prepare share", () => share.prepare());
  const spec = specWith(share.devices, options, source);
  const wanted = { spec, base: baseSize(config.hypervisor) };
  const started = await timeline.step(
    "start VMM",
    () => startVm(config, hypervisor, wanted, signal),
  );
  const { saved } = undo.use(started.vm);
  record.update({ vm: { ...saved, processes: [...saved.processes, ...share.processes] } });
  const owned = undo.move();
  return { share, spec, started, taken: false, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function takeOver(
  spare: SpareVm,
  spec: VmSpec,
  { timeline }: SandboxOptions,
  { nets }: VmSource,
  record: SandboxRecord,
): Promise<ObtainedVm> {
  await using undo = new AsyncDisposableStack();
  undo.use(spare);
  record.update({ vm: spare.vm.saved, spare: spare.key });
  const started = await timeline.step("take over a spare VM", () => spare.take(nets));
  const { share } = spare, owned = undo.move();
  return { share, spec, started, taken: true, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
