import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Disk } from "../device.ts";

/**
 * Firecracker plugs no disk into a running VM, but lets the file behind one be exchanged. So a VM boots with some
 * drives that have nothing in them, and a disk that comes later takes one of those.
 */
export const PLACEHOLDERS = 8;
/** One sector: a drive must have some size. */
export const PLACEHOLDER_BYTES = 512;

export function placeholderId(index: number): string {
  return `placeholder${index}`;
}

/** Which placeholder has which disk. */
export class Placeholders {
  readonly #taken = new Map<number, Disk>();

  /** @throws {RuntimeError} AlreadyExists. ResourceExhausted. */
  take(disk: Disk): number {
    const { id } = disk;
    if (this.#taken.values().some((each) => each.id === id)) {
      throw new RuntimeError(Code.AlreadyExists, `Device ${JSON.stringify(id)} is plugged already`);
    }
    for (let index = 0; index < PLACEHOLDERS; index++) {
      if (this.#taken.has(index)) continue;
      this.#taken.set(index, disk);
      return index;
    }
    throw new RuntimeError(
      Code.ResourceExhausted,
      `No slot left for another disk: all ${PLACEHOLDERS} are taken`,
    );
  }

  /** @throws {RuntimeError} NotFound. */
  find(id: string): { readonly index: number; readonly disk: Disk } {
    for (const [index, disk] of this.#taken) if (disk.id === id) return { index, disk };
    throw new RuntimeError(Code.NotFound, `Device ${JSON.stringify(id)} is not plugged`);
  }

  free(index: number): void {
    this.#taken.delete(index);
  }
}
