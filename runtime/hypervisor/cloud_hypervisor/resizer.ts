import type { VmResources, VmSpec } from "../hypervisor.ts";
import type { VmmApi } from "../vmm_api.ts";
import { MEMORY_BLOCK_MIB, memoryRoomMiB } from "./vm_config.ts";

/** How long a change may take; processors that the guest is to let go of, longest. */
const RESIZE_MS = 20_000;
const MIB = 1024 * 1024;

/** Changes the size of a VM, one change at a time. */
export class Resizer {
  readonly #api: Pick<VmmApi, "put">;
  readonly #boot: VmResources;
  readonly #max: VmResources;
  #has: VmResources;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(api: Pick<VmmApi, "put">, spec: VmSpec) {
    this.#api = api;
    this.#boot = { vcpus: spec.vcpus, memoryMiB: spec.memoryMiB };
    this.#max = { vcpus: spec.maxVcpus, memoryMiB: spec.memoryMiB + memoryRoomMiB(spec) };
    this.#has = this.#boot;
  }

  /**
   * See Vm.resize. Cloud Hypervisor does not tell when the guest has taken memory, or given it back: what is returned is
   * what the guest is offered.
   */
  async resize(wanted: VmResources): Promise<VmResources> {
    const turn = this.#turn.then(() => this.#resize(this.#possible(wanted)));
    this.#turn = turn.catch(() => {}); // told to whoever asked
    return await turn;
  }

  /** Whole blocks between what it had at the start and the most. */
  #possible({ vcpus, memoryMiB }: VmResources): VmResources {
    const { vcpus: least, memoryMiB: leastMiB } = this.#boot;
    const more = Math.ceil((memoryMiB - leastMiB) / MEMORY_BLOCK_MIB) * MEMORY_BLOCK_MIB;
    return {
      vcpus: Math.max(least, Math.min(vcpus, this.#max.vcpus)),
      memoryMiB: Math.max(leastMiB, Math.min(leastMiB + more, this.#max.memoryMiB)),
    };
  }

  /** Each by itself, so that what one of them refuses does not keep the other. */
  async #resize({ vcpus, memoryMiB }: VmResources): Promise<VmResources> {
    if (vcpus !== this.#has.vcpus) {
      await this.#say({ desired_vcpus: vcpus });
      this.#has = { ...this.#has, vcpus };
    }
    if (memoryMiB !== this.#has.memoryMiB) {
      await this.#say({ desired_ram: memoryMiB * MIB });
      this.#has = { ...this.#has, memoryMiB };
    }
    return this.#has;
  }

  async #say(body: Record<string, number>): Promise<void> {
    await this.#api.put("/vm.resize", body, { timeoutMs: RESIZE_MS });
  }
}
