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
  readonly #taken = new Map<number, string>();

  /** @throws {RuntimeError} AlreadyExists. ResourceExhausted. */
  take({ id }: Disk): number {
    if (this.indexOf(id) !== undefined) {
      throw new RuntimeError(Code.AlreadyExists, `Device ${JSON.stringify(id)} is plugged already`);
    }
    for (let index = 0; index < PLACEHOLDERS; index++) {
      if (this.#taken.has(index)) continue;
      this.#taken.set(index, id);
      return index;
    }
    throw new RuntimeError(
      Code.ResourceExhausted,
      `No slot left for another disk: all ${PLACEHOLDERS} are taken`,
    );
  }

  indexOf(id: string): number | undefined {
    return [...this.#taken].find(([, holder]) => holder === id)?.[0];
  }

  free(index: number): void {
    this.#taken.delete(index);
  }
}
