import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type { Disk, GuestLocation } from "../hypervisor/device.ts";
import type { Vm } from "../hypervisor/hypervisor.ts";
import { diskBytes } from "./disk_bytes.ts";

/** A disk as the agent finds it; see the Storage and Device messages. */
export interface GuestDisk {
  readonly driver: "scsi" | "blk" | "mmioblk";
  readonly source: string;
}

interface Entry {
  readonly id: string;
  readonly disk: Promise<GuestDisk>;
  readonly holders: Set<string>;
  /** How large it is as the VM sees it, in bytes. */
  bytes: number;
}

type DiskVm = Pick<Vm, "attach" | "detach" | "resizeDisk">;

/**
 * The disks of one VM, each plugged once however many containers use it. Plugging needs the VMM alone: what is plugged
 * before the guest's kernel looks is there from its start.
 */
export class Disks {
  readonly #vm: DiskVm;
  readonly #entries = new Map<string, Entry>();
  #next = 0;

  constructor(vm: DiskVm) {
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
    const key = keyOf(real, readonly);
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
    const bytes = diskBytes(disk.path);
    const plugged = this.#vm.attach({ kind: "disk", id, ...disk }).then(guestDisk);
    const entry = { id, disk: plugged, holders: new Set<string>(), bytes };
    this.#entries.set(key, entry);
    return entry;
  }

  /**
   * Has the VM see all that a disk has become on the host. The VMM is never told less than that, nor less than before:
   * it would cut the file off.
   * @param path As it was attached by, writable.
   * @param bytes What the guest wants to use of it.
   * @returns False: the VM has no such disk.
   * @throws {RuntimeError} InvalidArgument: the disk is smaller. FailedPrecondition: it is read-only, or has become
   * smaller than the VM knows it. Or as {@linkcode Vm.resizeDisk}.
   */
  async grow(path: string, bytes: number): Promise<boolean> {
    const real = Deno.realPathSync(path), entry = this.#entries.get(keyOf(real, false));
    if (!entry) {
      if (!this.#entries.has(keyOf(real, true))) return false;
      throw new RuntimeError(Code.FailedPrecondition, `Disk "${path}" is read-only in the VM`);
    }
    await entry.disk;
    const has = diskBytes(real);
    checkGrowth(path, bytes, has, entry.bytes);
    await this.#vm.resizeDisk(entry.id, has);
    entry.bytes = has;
    return true;
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

function checkGrowth(path: string, bytes: number, has: number, had: number): void {
  if (has < had) {
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Disk "${path}" has ${has} bytes on the host, fewer than the ${had} that its VM knows of`,
    );
  }
  if (bytes <= has) return;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Cannot use ${bytes} bytes of disk "${path}": it has ${has} on the host`,
  );
}

function keyOf(path: string, readonly: boolean): string {
  return `${readonly ? "ro" : "rw"} ${identityOf(path)}`;
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
