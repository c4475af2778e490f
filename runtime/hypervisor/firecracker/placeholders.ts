import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Disk } from "../device.ts";

/** A drive that waits for a disk. */
export interface Placeholder {
  readonly id: string;
  readonly readonly: boolean;
}

/** How many disks can come that are written to, and that are not. */
const WRITABLE = 8, READONLY = 4;

/**
 * Firecracker plugs no disk into a running VM, but lets the file behind one be exchanged. So a VM boots with some
 * drives that have nothing in them, and a disk that comes later takes one of those. Whether the guest may write to a
 * drive is decided at the start. Numbered as the guest numbers them.
 */
export const PLACEHOLDERS: readonly Placeholder[] = [
  ...Array.from({ length: WRITABLE }, (_, at) => ({ id: `placeholder${at}`, readonly: false })),
  ...Array.from({ length: READONLY }, (_, at) => ({ id: `layer${at}`, readonly: true })),
];
/** One sector: a drive must have some size. */
export const PLACEHOLDER_BYTES = 512;

/** Which placeholder has which disk. */
export class Placeholders {
  readonly #taken = new Map<number, Disk>();

  /** @returns A place in {@linkcode PLACEHOLDERS}. @throws {RuntimeError} AlreadyExists. ResourceExhausted. */
  take(disk: Disk): number {
    const { id, readonly } = disk;
    if (this.#taken.values().some((each) => each.id === id)) {
      throw new RuntimeError(Code.AlreadyExists, `Device ${JSON.stringify(id)} is plugged already`);
    }
    const index = PLACEHOLDERS.findIndex((each, at) =>
      each.readonly === readonly && !this.#taken.has(at)
    );
    if (index < 0) throw full(readonly);
    this.#taken.set(index, disk);
    return index;
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

function full(readonly: boolean): RuntimeError {
  const count = readonly ? READONLY : WRITABLE, kind = readonly ? "read-only" : "writable";
  return new RuntimeError(
    Code.ResourceExhausted,
    `No slot left for another ${kind} disk: all ${count} are taken`,
  );
}
