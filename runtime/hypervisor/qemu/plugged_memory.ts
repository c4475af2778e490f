import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { log } from "../../../common/base/log.ts";
import { addBackend, type MemoryKind } from "./memory_backend.ts";
import type { QmpClient } from "./qmp.ts";
import { unplug } from "./unplug.ts";

/** Memory of a running VM that can be changed. */
export interface PluggableMemory {
  /** What the VM has, in MiB. */
  readonly sizeMiB: number;
  /** Comes as close to a size as room and guest allow. @throws {RuntimeError} It cannot be given, or not be taken back. */
  adjust(wantedMiB: number): Promise<void>;
  /** A device has left the VM, whenever the guest came to it. */
  gone(id: string): void;
}

/** How much may be plugged. */
export interface MemoryRoom {
  readonly bootMiB: number;
  readonly maxMiB: number;
  readonly slots: number;
  readonly kind: MemoryKind;
}

/** The unit in which a guest of x86-64 below 64 GiB takes memory. Source: Linux, memory-hotplug.rst, "Memory Blocks". */
const BLOCK_MIB = 128;

interface Dimm {
  readonly id: string;
  readonly sizeMiB: number;
}

/** Memory in modules: each change that makes the VM larger takes one of its slots. */
export class PluggedDimms implements PluggableMemory {
  readonly #qmp: QmpClient;
  readonly #room: MemoryRoom;
  #dimms: readonly Dimm[] = [];

  constructor(qmp: QmpClient, room: MemoryRoom) {
    this.#qmp = qmp;
    this.#room = room;
  }

  get sizeMiB(): number {
    return this.#dimms.reduce((sum, { sizeMiB }) => sum + sizeMiB, this.#room.bootMiB);
  }

  async adjust(wantedMiB: number): Promise<void> {
    const missing = wantedMiB - this.sizeMiB;
    if (missing > 0) return await this.#grow(missing);
    for (const dimm of this.#dimms.toReversed()) {
      if (this.sizeMiB - dimm.sizeMiB < wantedMiB) continue;
      await unplug(this.#qmp, dimm.id);
      this.gone(dimm.id);
    }
  }

  async #grow(missingMiB: number): Promise<void> {
    const left = Math.floor((this.#room.maxMiB - this.sizeMiB) / BLOCK_MIB) * BLOCK_MIB;
    const sizeMiB = Math.min(left, Math.ceil(missingMiB / BLOCK_MIB) * BLOCK_MIB);
    if (sizeMiB <= 0) return;
    const id = this.#freeId();
    const backend = `${id}-ram`;
    await addBackend(this.#qmp, { id: backend, sizeMiB, ...this.#room.kind });
    try {
      await this.#qmp.execute("device_add", { driver: "pc-dimm", id, memdev: backend });
    } catch (error) {
      await this.#qmp.execute("object-del", { id: backend });
      throw error;
    }
    this.#dimms = [...this.#dimms, { id, sizeMiB }];
  }

  #freeId(): string {
    const taken = new Set(this.#dimms.map(({ id }) => id));
    for (let slot = 0; slot < this.#room.slots; slot++) {
      if (!taken.has(`dimm-${slot}`)) return `dimm-${slot}`;
    }
    throw new RuntimeError(
      Code.ResourceExhausted,
      `Cannot plug memory: memory_slots = ${this.#room.slots} are all taken`,
    );
  }

  gone(id: string): void {
    if (!this.#dimms.some((dimm) => dimm.id === id)) return;
    this.#dimms = this.#dimms.filter((dimm) => dimm.id !== id);
    this.#qmp.execute("object-del", { id: `${id}-ram` }).catch((error) =>
      log.warn("Cannot free a memory module", { id, reason: messageOf(error) })
    );
  }
}
