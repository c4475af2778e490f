import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";
import type { RuntimeConfig } from "../config/load.ts";
import type { Vm, VmResources, VmSpec } from "../hypervisor/hypervisor.ts";
import type { JsonObject } from "./bundle.ts";
import {
  type Limits,
  limitsOf,
  NO_LIMITS,
  type VmSize,
  type Workload,
  workloadOf,
} from "./vm_size.ts";

/** What resizing needs of a sandbox. */
export interface ResizableSandbox {
  readonly vm: Pick<Vm, "resize">;
  readonly guest: Promise<{ readonly link: AgentLink }>;
  /** Called when the VM has other processors than before. */
  readonly vcpusChanged: () => Promise<void>;
}

/** The size of a VM that was started with `spec`, to be kept up with its containers. */
export function sizeOf({ hypervisor }: RuntimeConfig, spec: VmSpec): SandboxSize {
  const { defaultVcpus: vcpus, defaultMemory: memoryMiB } = hypervisor;
  return new SandboxSize({ vcpus, memoryMiB }, spec);
}

/**
 * Keeps the VM as large as its containers' limits together ask for: `own` and the sum of them, never less than it was
 * started with and never more than its maxima. Source: Kata's updateResources.
 */
export class SandboxSize {
  readonly #own: Workload;
  readonly #boot: VmSize;
  readonly #limits = new Map<string, Limits>();
  #has: VmResources;
  /** Plugged, but not switched on by the guest so far. */
  #offline = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param own What the guest needs for itself. @param boot What the VM was started with. */
  constructor(own: Workload, boot: VmSize) {
    this.#own = own;
    this.#boot = boot;
    this.#has = boot;
  }

  /**
   * Makes room for a container's new limits before they are applied, and gives back afterwards what is not needed any
   * more, as far as the guest lets go of it. One change at a time.
   * @param resources `linux.resources`; what it does not name stays as it was.
   * @param apply Applies them in the guest.
   * @throws {RuntimeError} The VM does not grow; or what `apply` throws, and then everything is as before.
   */
  async change(
    sandbox: ResizableSandbox,
    id: string,
    resources: JsonObject,
    apply: () => Promise<void>,
  ): Promise<void> {
    const turn = this.#turn.then(() => this.#change(sandbox, id, resources, apply));
    this.#turn = turn.catch(() => {}); // told to whoever asked
    await turn;
  }

  /** A container is gone; what it needed is given back with the next change. */
  remove(id: string): void {
    this.#limits.delete(id);
  }

  async #change(
    sandbox: ResizableSandbox,
    id: string,
    resources: JsonObject,
    apply: () => Promise<void>,
  ): Promise<void> {
    const before = this.#limits.get(id);
    const { vcpus, memoryMiB } = this.#has;
    const after = limitsOf(resources, before ?? NO_LIMITS);
    const wanted = this.#wanted(id, after);
    await this.#resize(sandbox, {
      vcpus: Math.max(vcpus, wanted.vcpus),
      memoryMiB: Math.max(memoryMiB, wanted.memoryMiB),
    });
    this.#limits.set(id, after);
    try {
      await apply();
    } catch (error) {
      if (before) this.#limits.set(id, before);
      else this.#limits.delete(id);
      throw error;
    } finally {
      await this.#giveBack(sandbox);
    }
  }

  #wanted(id: string, limits: Limits): VmResources {
    const all = [...new Map(this.#limits).set(id, limits).values()].map(workloadOf);
    return this.#bounded(all);
  }

  #bounded(workloads: readonly Workload[]): VmResources {
    const sum = workloads.reduce(
      (a, b) => ({ vcpus: a.vcpus + b.vcpus, memoryMiB: a.memoryMiB + b.memoryMiB }),
      this.#own,
    );
    const { vcpus, maxVcpus, memoryMiB, maxMemoryMiB } = this.#boot;
    return {
      vcpus: Math.min(maxVcpus, Math.max(vcpus, Math.ceil(sum.vcpus))),
      memoryMiB: Math.min(maxMemoryMiB, Math.max(memoryMiB, sum.memoryMiB)),
    };
  }

  /** A guest may keep what it has: that costs the host, but breaks nothing. */
  async #giveBack(sandbox: ResizableSandbox): Promise<void> {
    try {
      await this.#resize(sandbox, this.#bounded([...this.#limits.values()].map(workloadOf)));
    } catch (error) {
      log.warn("The VM does not shrink", { reason: messageOf(error) });
    }
  }

  async #resize(sandbox: ResizableSandbox, wanted: VmResources): Promise<void> {
    const { vm, vcpusChanged } = sandbox;
    const { vcpus, memoryMiB } = this.#has;
    if (vm.resize === undefined) return;
    if (wanted.vcpus === vcpus && wanted.memoryMiB === memoryMiB) return;
    this.#has = await vm.resize(wanted);
    const added = this.#has.vcpus - vcpus;
    if (added !== 0) await vcpusChanged();
    this.#offline = Math.max(0, this.#offline + added);
    if (this.#offline > 0) await this.#switchOn(sandbox);
  }

  /** A guest that is busy may be late. It runs its containers all the same, with fewer processors until the next change. */
  async #switchOn({ guest }: ResizableSandbox): Promise<void> {
    const { link } = await guest;
    try {
      await link.agent.onlineCPUMem({ wait: true, nbCpus: this.#offline, cpuOnly: false });
      this.#offline = 0;
    } catch (error) {
      log.warn("The guest does not use all of its processors", { reason: messageOf(error) });
    }
  }
}
