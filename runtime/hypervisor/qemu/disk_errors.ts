import { log } from "../../../common/base/log.ts";
import type { QmpEvent } from "./qmp_message.ts";

/** Tells the operator that a disk of the host's fails or is full: once for each, as a guest can make it fail at will. */
export class DiskErrors {
  readonly #vm: string;
  readonly #told = new Set<unknown>();

  /** @param vm Its id, for the log. */
  constructor(vm: string) {
    this.#vm = vm;
  }

  /** Looks at an event. Source: QEMU's QAPI schema, BLOCK_IO_ERROR. */
  note({ name, data }: QmpEvent): void {
    const disk = data["node-name"];
    if (name !== "BLOCK_IO_ERROR" || this.#told.has(disk)) return;
    this.#told.add(disk);
    const { operation, reason } = data;
    log.warn("a disk of the VM failed", { vm: this.#vm, disk, operation, reason });
  }
}
