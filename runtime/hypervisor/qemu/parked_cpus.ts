import type { CpuRoom, VmCpus } from "./plugged_cpus.ts";

/**
 * Processors of an emulating QEMU: it has them all from the start, and the guest leaves those off that it was not given.
 * Plugged ones would be a danger to it, seen with QEMU 7.2: a new processor's thread wants a part of the buffer for
 * translated code, and when all parts are in use, before a flush, QEMU aborts (tcg_region_initial_alloc); and it keeps
 * listening for a processor that has left, and dies when the VM's memory changes next.
 */
export class ParkedCpus implements VmCpus {
  readonly #max: number;
  #count: number;

  constructor({ boot, max }: CpuRoom) {
    this.#count = boot;
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  gone(): void {}

  /** The guest does not switch one off again: an idle one costs nothing. */
  adjust(wanted: number): Promise<void> {
    this.#count = Math.max(this.#count, Math.min(wanted, this.#max));
    return Promise.resolve();
  }
}

/** Tells the guest how many to switch on at boot. Source: admin-guide/kernel-parameters.txt of Linux. */
export function parkedCpuKernelParams({ boot, max }: CpuRoom): string[] {
  return max > boot ? [`maxcpus=${boot}`] : [];
}
