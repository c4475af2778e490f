import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { Disk, GuestLocation } from "../hypervisor/device.ts";
import type { Vm } from "../hypervisor/hypervisor.ts";

/** A disk as the agent finds it; see the Storage and Device messages. */
export interface GuestDisk {
  readonly driver: "scsi" | "blk" | "mmioblk";
  readonly source: string;
}

interface Entry {
  readonly id: string;
  readonly disk: Promise<GuestDisk>;
  readonly holders: Set<string>;
}

/**
 * The disks of one VM, each plugged once however many containers use it. Plugging needs the VMM alone: what is plugged
 * before the guest's kernel looks is there from its start.
 */
export class Disks {
  readonly #vm: Pick<Vm, "attach" | "detach">;
  readonly #entries = new Map<string, Entry>();
  #next = 0;

  constructor(vm: Pick<Vm, "attach" | "detach">) {
    this.#vm = vm;
  }

  /**
   * Plugs a disk for a holder, or counts the holder in.
   * @param holder Whoever releases it: a container's id, or the pod.
   * @throws {RuntimeError} As {@linkcode Vm.attach}; or the file is not there.
   */
  async attach(
    holder: string,
    { path, source, readonly }: Pick<Disk, "path" | "source" | "readonly">,
  ): Promise<GuestDisk> {
    const real = Deno.realPathSync(path);
    const key = `${readonly ? "ro" : "rw"} ${identityOf(real)}`;
    const entry = this.#entries.get(key) ?? this.#plug(key, { path: real, source, readonly });
    entry.holders.add(holder);
    try {
      return await entry.disk;
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  #plug(key: string, disk: Pick<Disk, "path" | "source" | "readonly">): Entry {
    const id = `disk${this.#next++}`;
    const plugged = this.#vm.attach({ kind: "disk", id, ...disk }).then(guestDisk);
    const entry = { id, disk: plugged, holders: new Set<string>() };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Whether a holder has any disk. */
  has(holder: string): boolean {
    return this.#entries.values().some(({ holders }) => holders.has(holder));
  }

  /**
   * Unplugs what only this holder had; the guest must have let go of it. One that the guest keeps stays until the VM
   * ends.
   */
  async release(holder: string): Promise<void> {
    for (const [key, { id, holders }] of [...this.#entries]) {
      if (!holders.delete(holder) || holders.size > 0) continue;
      this.#entries.delete(key);
      await this.#vm.detach(id).catch((error) => {
        log.warn("Cannot unplug a disk", { disk: id, reason: messageOf(error) });
      });
    }
  }
}

/** What tells two names of one disk from two disks. */
function identityOf(path: string): string {
  const { isBlockDevice, rdev, dev, ino } = Deno.statSync(path);
  return isBlockDevice ? `device ${rdev}` : `file ${dev}:${ino}`;
}

function guestDisk(location: GuestLocation): GuestDisk {
  switch (location.kind) {
    case "scsi":
      return { driver: "scsi", source: `${location.target}:${location.lun}` };
    case "pci":
      return { driver: "blk", source: location.path };
    case "mmio":
      return { driver: "mmioblk", source: location.name };
  }
}
