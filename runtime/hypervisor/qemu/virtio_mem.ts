import type { MemoryRoom, PluggableMemory } from "./plugged_memory.ts";
import type { QmpClient } from "./qmp.ts";

/** The device's id. */
const ID = "virtio-mem0";
const MIB = 1024 * 1024;
/** What the device counts in, at least: its blocks, on every QEMU. */
const BLOCK_MIB = 4;
/** How long the guest may take over a change. */
const CHANGE_MS = 10_000;

/** The most that the device can give, in whole blocks. */
export function virtioMemMiB({ bootMiB, maxMiB }: Pick<MemoryRoom, "bootMiB" | "maxMiB">): number {
  return Math.floor((maxMiB - bootMiB) / BLOCK_MIB) * BLOCK_MIB;
}

/** The device. @param memdev What stands behind it, of the size that {@linkcode virtioMemMiB} says. */
export function virtioMemArguments(memdev: string): string[] {
  return ["-device", `virtio-mem-pci,id=${ID},memdev=${memdev},requested-size=0`];
}

/** Memory that the guest takes and gives back in small blocks. Source: QEMU, docs on virtio-mem. */
export class VirtioMem implements PluggableMemory {
  readonly #qmp: QmpClient;
  readonly #room: MemoryRoom;
  #pluggedMiB = 0;

  constructor(qmp: QmpClient, room: MemoryRoom) {
    this.#qmp = qmp;
    this.#room = room;
  }

  get sizeMiB(): number {
    return this.#room.bootMiB + this.#pluggedMiB;
  }

  async adjust(wantedMiB: number): Promise<void> {
    const asked = Math.ceil((wantedMiB - this.#room.bootMiB) / BLOCK_MIB) * BLOCK_MIB;
    const target = Math.max(0, Math.min(asked, virtioMemMiB(this.#room)));
    if (target === this.#pluggedMiB) return;
    const reached = this.#reached(target);
    await this.#set(target);
    await reached;
    this.#pluggedMiB = await this.#plugged();
  }

  /** The device itself stays. */
  gone(): void {}

  async #set(targetMiB: number): Promise<void> {
    await this.#qmp.execute("qom-set", {
      path: `/machine/peripheral/${ID}`,
      property: "requested-size",
      value: targetMiB * MIB,
    });
  }

  /** Resolves, never rejects, when the guest has done it, or time is up: what it could do counts then. */
  async #reached(targetMiB: number): Promise<void> {
    const done = this.#qmp.nextEvent(
      ({ name, data }) =>
        name === "MEMORY_DEVICE_SIZE_CHANGE" && data.id === ID && data.size === targetMiB * MIB,
      AbortSignal.timeout(CHANGE_MS),
    );
    await done.catch(() => {}); // the size is asked for afterwards, whatever was told
  }

  async #plugged(): Promise<number> {
    const size = await this.#qmp.execute("qom-get", {
      path: `/machine/peripheral/${ID}`,
      property: "size",
    });
    return typeof size === "number" ? Math.floor(size / MIB) : 0;
  }
}
