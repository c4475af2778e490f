import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { RuntimeConfig } from "../config/load.ts";
import { startVm } from "../factory/start_vm.ts";
import type { Vm, VmSpec } from "../hypervisor/hypervisor.ts";
import { initialVmState } from "../hypervisor/vm_state.ts";
import { settlesWithin } from "../hypervisor/vm_process.ts";
import { createHypervisor } from "../hypervisor/drivers.ts";
import { createShareFs } from "../share_fs/drivers.ts";
import type { ShareFs } from "../share_fs/share_fs.ts";
import { Timeline } from "../metrics/timeline.ts";
import { SandboxNetwork } from "../network/sandbox_network.ts";
import { CopiedFiles } from "../share_fs/copied_files.ts";
import { Disks } from "../storage/disks.ts";
import { type BundleConfig, isObject, type JsonObject } from "./bundle.ts";
import type { MountContext } from "./guest_mounts.ts";
import type { SandboxIdentity } from "./identity.ts";
import { cgroupsOf, planCgroups, SandboxCgroup } from "./cgroup/sandbox_cgroup.ts";
import { PodCpuset } from "./cgroup/pod_cpuset.ts";
import { Container } from "./container.ts";
import { bringUp, endOf, type Guest } from "./guest.ts";
import { watchOom } from "./oom_watch.ts";
import { networkOptions } from "./network_options.ts";
import { sandboxFolder } from "./paths.ts";
import { UNKNOWN_STATUS } from "./process.ts";
import { SandboxRecord } from "./sandbox_record.ts";
import { type SandboxSize, sizeOf } from "./sandbox_size.ts";
import type { Exit } from "./state_file.ts";
import { baseSize } from "./vm_size.ts";
import { vmSpecOf } from "./vm_spec.ts";

export type { Guest } from "./guest.ts";

/** What a sandbox is made with. */
export interface SandboxOptions {
  readonly identity: SandboxIdentity;
  readonly config: RuntimeConfig;
  readonly hostname: string;
  /** The first container's: what it and its pod need decides the VM's size. */
  readonly bundle: BundleConfig;
  /** Its processes on the host get a cgroup of their own; otherwise they stay where the engine put the shim. */
  readonly ownCgroup: boolean;
  readonly timeline: Timeline;
  /** The configuration is the node's own, so that a template of it serves other pods too. */
  readonly mayBuildTemplate: boolean;
}

/** Holds disks that a pod's containers have in common; no container's id looks like this. */
const POD_HOLDER = "/pod";

/** How long the end of a VM may take to be seen after that of its helper. */
const LAST_WORDS_MS = 500;

/** Longest time for the guest to write everything to its volumes, in milliseconds. */
const SETTLE_MS = 5_000;

/**
 * A pod: one VM and the containers inside it.
 *
 * The VM boots while the caller prepares its first container; {@linkcode guest} resolves when it is up.
 * When the VM ends by itself, every process of the pod ends with an unknown status.
 */
export class Sandbox implements AsyncDisposable {
  /** The VM's disks. */
  readonly disks: Disks;
  readonly #containers = new Map<string, Container>();
  readonly #undo: AsyncDisposableStack;
  #ended: string | undefined;
  /** Settles when it is known why a part was lost. */
  #losing: Promise<void> | undefined;
  /** What later starts profit from, once this one is over. */
  #prepareNext: (() => Promise<void>) | undefined;

  private constructor(
    readonly identity: SandboxIdentity,
    readonly config: RuntimeConfig,
    readonly timeline: Timeline,
    readonly share: ShareFs,
    readonly network: SandboxNetwork,
    readonly record: SandboxRecord,
    readonly vm: Vm,
    /** Resolves when the agent is ready; rejects with why the guest did not come up. */
    readonly guest: Promise<Guest>,
    /** Files of the host that the guest has copies of. */
    readonly copies: CopiedFiles,
    readonly size: SandboxSize,
    readonly cgroup: SandboxCgroup | undefined,
    undo: AsyncDisposableStack,
  ) {
    this.#undo = undo;
    this.disks = new Disks(vm);
  }

  /** Starts the VM. @throws {RuntimeError} Everything is undone then. */
  static async start(options: SandboxOptions, signal: AbortSignal): Promise<Sandbox> {
    const { identity, config, bundle, timeline } = options;
    await using undo = new AsyncDisposableStack();
    const folder = sandboxFolder(identity.key);
    const record = undo.use(SandboxRecord.create(identity));
    const cgroup = options.ownCgroup ? undo.use(await enterCgroup(options, record)) : undefined;
    const up = Promise.withResolvers<Guest>();
    up.promise.catch(() => {}); // told to whoever asks for the guest
    const copies = undo.use(new CopiedFiles(async () => (await up.promise).link.agent));
    const hypervisor = await createHypervisor(config.hypervisor);
    const network = undo.use(SandboxNetwork.open(
      networkOptions(config, bundle, identity.key, hypervisor.capabilities),
    ));
    record.update({
      network: network.saved,
      vm: initialVmState(hypervisor.name, identity.key, folder),
    });
    const nets = await timeline.step(
      "connect the network",
      () => network.connect(hypervisor.capabilities.maxNets),
    );
    const share = undo.use(createShareFs({ config, sandboxKey: identity.key, folder, copies }));
    await timeline.step("prepare share", () => share.prepare());
    const devices = [...share.devices, ...nets];
    const netnsPath = config.runtime.disableNewNetns ? undefined : network.namespacePath;
    const spec = vmSpecOf(identity, config, bundle, folder, {
      devices,
      netnsPath,
      resizable: hypervisor.capabilities.resize,
    });
    const started = await timeline.step(
      "start VMM",
      () => startVm(config, hypervisor, { spec, base: baseSize(config.hypervisor) }, signal),
    );
    const vm = undo.use(started.vm);
    await cgroup?.addVcpus(vm.pid);
    network.started();
    record.update({ vm: { ...vm.saved, processes: [...vm.saved.processes, ...share.processes] } });
    const guest = bringUp(started, share, network, options, AbortSignal.any([signal, endOf(vm)]));
    guest.then(up.resolve, up.reject);
    undo.defer(() => guest.then(({ link }) => link[Symbol.dispose](), () => {}));
    const sandbox = new Sandbox(
      identity,
      config,
      timeline,
      share,
      network,
      record,
      vm,
      guest,
      copies,
      sizeOf(config, { ...spec, ...started.size }),
      cgroup,
      undo.move(),
    );
    sandbox.#watch();
    void sandbox.#admitOperators(folder);
    if (started.wantsTemplate && options.mayBuildTemplate) {
      sandbox.#prepareNext = () => buildTemplate(config, spec, cgroup);
    }
    return sandbox;
  }

  /** The host's processors that the pod may use. */
  readonly cpuset = new PodCpuset();

  /** The VMM has other threads than before. */
  readonly vcpusChanged = async (): Promise<void> => await this.cgroup?.addVcpus(this.vm.pid);

  /** To be called once a container runs: from then on the host may do what later starts profit from. */
  async startedContainer(): Promise<void> {
    const prepare = this.#prepareNext;
    this.#prepareNext = undefined;
    await prepare?.();
  }

  /** Why the sandbox is over, when it is. */
  get ended(): string | undefined {
    return this.#ended;
  }

  get containers(): readonly Container[] {
    return [...this.#containers.values()];
  }

  /** @throws {RuntimeError} NotFound. */
  container(id: string): Container {
    const container = this.#containers.get(id);
    if (container) return container;
    throw new RuntimeError(Code.NotFound, `Cannot find container "${id}"`);
  }

  has(id: string): boolean {
    return this.#containers.has(id);
  }

  add(container: Container): void {
    this.#containers.set(container.id, container);
    this.record.setContainer(container.id, {
      bundle: container.bundle,
      pid: container.init.pid,
      rootfsMounted: container.rootfsMounted,
    });
  }

  /** Keeps how a container ended for whoever cleans up after this shim. */
  noteExit(id: string, exit: Exit): void {
    const saved = this.record.state.containers[id];
    if (saved) this.record.setContainer(id, { ...saved, exit });
  }

  remove(id: string): void {
    this.#containers.delete(id);
    this.size.remove(id);
    this.cpuset.remove(id);
    this.record.removeContainer(id);
  }

  /** Takes up what hooks or the engine put into a namespace that came empty. @throws {RuntimeError} */
  async refreshNetwork({ link }: Guest, signal: AbortSignal): Promise<void> {
    const { network, vm } = this;
    if (network.mayGrow) await network.refresh({ agent: link.agent, vm }, signal);
  }

  /** What a container's mounts are made of. */
  mountContext(containerId: string, { linux }: JsonObject): MountContext {
    const { share, copies, disks, config } = this;
    const resources = isObject(linux) && isObject(linux.resources) ? linux.resources : {};
    return { containerId, podId: POD_HOLDER, share, copies, disks, config, resources };
  }

  /**
   * Takes from the guest what a container had of files and disks.
   * @param letGo The guest has unmounted them. Otherwise disks stay until the VM ends: to take one away that is being
   * written to would lose what is not on it yet.
   */
  async releaseStorage(containerId: string, letGo: boolean): Promise<void> {
    const lives = letGo && this.#ended === undefined;
    await this.copies.remove(containerId, lives);
    if (lives) await this.disks.release(containerId);
  }

  /** Has the guest write everything to volumes that outlive it. */
  async #settleVolumes(): Promise<void> {
    if (this.#ended !== undefined || !this.disks.has(POD_HOLDER)) return;
    this.#end("the sandbox was stopped");
    try {
      const { link } = await this.guest;
      await link.agent.destroySandbox({}, { timeoutMs: SETTLE_MS });
    } catch (error) {
      log.warn("The guest did not unmount its volumes", { reason: messageOf(error) });
    }
  }

  /** Tells of containers in which the kernel killed for lack of memory, for as long as the guest lives. */
  watchOom(told: (containerId: string) => void): void {
    this.guest.then(({ link }) => watchOom(link, told), () => {}); // a guest that never came up has no containers
  }

  /** Ends the VM and removes everything of the sandbox. Repeating is harmless. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#losing; // whoever learnt that its container is no more may be faster than the reason
    await this.#settleVolumes();
    this.#end("the sandbox was stopped");
    await this.#undo.disposeAsync();
  }

  /** Not before the guest is up: nobody has a question before, and the start is the faster. */
  async #admitOperators(folder: string): Promise<void> {
    try {
      await this.guest;
      const { serveControl } = await import("./control.ts");
      if (this.#ended === undefined) this.#undo.use(serveControl(this, folder));
    } catch (error) {
      log.debug("No operator can be served", { reason: messageOf(error) });
    }
  }

  #watch(): void {
    this.vm.exited.then(({ reason }) => this.#fail(`the VM ended: ${reason}`));
    const lost = (what: string) => (reason: string) => {
      this.#losing = this.#partLost(`${what}: ${reason}`);
    };
    this.share.lost.then(lost("the guest has lost its files"));
    this.guest.then(
      ({ link }) => link.lost.then(lost("the agent is lost")),
      (error) => this.giveUp(messageOf(error)),
    );
  }

  /** Agent and helpers end with the VM too: then the VM's own reason is the better one. */
  async #partLost(reason: string): Promise<void> {
    if (await settlesWithin(this.vm.exited, LAST_WORDS_MS)) return;
    await this.giveUp(reason);
  }

  /** A VM whose agent cannot be reached is of no use and must not linger. */
  async giveUp(reason: string): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#fail(reason);
    await this.vm.stop();
  }

  /** Ends by itself, and says why. */
  #fail(reason: string): void {
    if (this.#ended !== undefined) return;
    log.error("Sandbox ends", { sandbox: this.identity.id, reason });
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const container of this.containers) {
      for (const exec of container.execs) exec.ended(UNKNOWN_STATUS);
      container.init.ended(UNKNOWN_STATUS, container.execsTold());
    }
  }
}

/** Has a template built, by a process that is not the pod's. Starts do without, so what goes wrong is only told. */
async function buildTemplate(
  config: RuntimeConfig,
  { vcpus, memoryMiB }: VmSpec,
  cgroup: SandboxCgroup | undefined,
): Promise<void> {
  try {
    const { templateSpec } = await import("./template_spec.ts");
    const plain = templateSpec(config);
    if (plain.vcpus !== vcpus || plain.memoryMiB !== memoryMiB) return; // another size would not serve this one
    const { spawnBuilder } = await import("../factory/builder.ts");
    await cgroup?.release(spawnBuilder(config));
  } catch (error) {
    log.warn("Cannot have a template built", { reason: messageOf(error) });
  }
}

/** Whatever the sandbox starts on the host lives in the pod's cgroup. */
async function enterCgroup(
  { identity, config, bundle, timeline }: SandboxOptions,
  record: SandboxRecord,
): Promise<SandboxCgroup> {
  const plan = planCgroups(bundle, identity.key, config.runtime.sandboxCgroupOnly);
  record.update({ cgroups: cgroupsOf(plan) });
  return await timeline.step("enter the pod's cgroup", () => SandboxCgroup.enter(plan));
}
