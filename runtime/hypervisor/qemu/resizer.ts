import type { VmResources } from "../hypervisor.ts";
import { ParkedCpus } from "./parked_cpus.ts";
import { type CpuRoom, PluggedCpus, type VmCpus } from "./plugged_cpus.ts";
import { type MemoryRoom, type PluggableMemory, PluggedDimms } from "./plugged_memory.ts";
import type { QmpClient } from "./qmp.ts";
import { VirtioMem } from "./virtio_mem.ts";

/** What a QEMU was started with, and how far it may grow. */
export interface ResizeRoom {
  readonly cpus: CpuRoom;
  /** All processors are there from the start. */
  readonly parked: boolean;
  readonly memory: MemoryRoom;
  readonly virtioMem: boolean;
}

/** Changes the size of a running QEMU, one change at a time. */
export class Resizer {
  readonly #cpus: VmCpus;
  readonly #memory: PluggableMemory;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(qmp: QmpClient, { cpus, parked, memory, virtioMem }: ResizeRoom) {
    this.#cpus = parked ? new ParkedCpus(cpus) : new PluggedCpus(qmp, cpus);
    this.#memory = virtioMem ? new VirtioMem(qmp, memory) : new PluggedDimms(qmp, memory);
    qmp.onEvent(({ name, data }) => {
      if (name === "DEVICE_DELETED" && typeof data.device === "string") this.#gone(data.device);
    });
  }

  /** See Vm.resize. */
  async resize(wanted: VmResources): Promise<VmResources> {
    const turn = this.#turn.then(() => this.#resize(wanted));
    this.#turn = turn.catch(() => {}); // told to whoever asked
    return await turn;
  }

  get size(): VmResources {
    return { vcpus: this.#cpus.count, memoryMiB: this.#memory.sizeMiB };
  }

  #gone(id: string): void {
    this.#cpus.gone(id);
    this.#memory.gone(id);
  }

  async #resize({ vcpus, memoryMiB }: VmResources): Promise<VmResources> {
    await this.#cpus.adjust(vcpus);
    await this.#memory.adjust(memoryMiB);
    return this.size;
  }
}
