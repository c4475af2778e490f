import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { QmpClient } from "./qmp.ts";
import { unplug } from "./unplug.ts";

/** A processor that QEMU could give, as query-hotpluggable-cpus tells. Source: QEMU, qapi/machine.json. */
interface Slot {
  readonly type: string;
  readonly props: Readonly<Record<string, number>>;
}

/** More than any VM has; an answer beyond is none of QEMU's. */
const MAX_SLOTS = 4096;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What is free; whatever else the answer holds is skipped. */
export function freeSlots(answer: unknown): Slot[] {
  if (!Array.isArray(answer) || answer.length > MAX_SLOTS) return [];
  const free = answer.filter((cpu) => isRecord(cpu) && cpu["qom-path"] === undefined);
  return free.flatMap(({ type, props }) => {
    if (typeof type !== "string" || !isRecord(props)) return [];
    const numbers = Object.entries(props).filter((entry): entry is [string, number] =>
      typeof entry[1] === "number"
    );
    return [{ type, props: Object.fromEntries(numbers) }];
  }).sort((a, b) => place(a) - place(b));
}

/** The order in which a guest numbers its processors. */
function place({ props }: Slot): number {
  const at = (name: string): number => props[name] ?? 0;
  return (at("socket-id") * MAX_SLOTS + at("core-id")) * MAX_SLOTS + at("thread-id");
}

/** How many processors there may be. */
export interface CpuRoom {
  /** From the start. */
  readonly boot: number;
  readonly max: number;
}

/** The processors that a VM has, and can be given. */
export interface VmCpus {
  readonly count: number;
  /** A device has left the VM, whenever the guest came to it. */
  gone(id: string): void;
  /** Comes as close to a number as room and guest allow. @throws {RuntimeError} The guest keeps what it is to give back. */
  adjust(wanted: number): Promise<void>;
}

/** Processors plugged into a running QEMU. */
export class PluggedCpus implements VmCpus {
  readonly #qmp: QmpClient;
  readonly #room: CpuRoom;
  #ids: readonly string[] = [];

  constructor(qmp: QmpClient, room: CpuRoom) {
    this.#qmp = qmp;
    this.#room = room;
  }

  get count(): number {
    return this.#room.boot + this.#ids.length;
  }

  gone(id: string): void {
    this.#ids = this.#ids.filter((each) => each !== id);
  }

  async adjust(wanted: number): Promise<void> {
    const target = Math.max(this.#room.boot, Math.min(wanted, this.#room.max));
    while (this.count < target) await this.#plug();
    for (const id of this.#ids.toReversed().slice(0, this.count - target)) {
      await unplug(this.#qmp, id);
      this.gone(id);
    }
  }

  async #plug(): Promise<void> {
    const [slot] = freeSlots(await this.#qmp.execute("query-hotpluggable-cpus"));
    if (slot === undefined) {
      throw new RuntimeError(Code.ResourceExhausted, "Cannot plug a processor: QEMU has no slot");
    }
    const id = `cpu-${Object.values(slot.props).join("-")}`;
    await this.#qmp.execute("device_add", { driver: slot.type, id, ...slot.props });
    this.#ids = [...this.#ids, id];
  }
}
