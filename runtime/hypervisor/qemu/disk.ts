import type { Disk, GuestLocation } from "../device.ts";
import { blockDriver, rootPort, SCSI_BUS } from "./device_arguments.ts";
import type { DiskOptions } from "./options.ts";

/** Where a disk is plugged: a PCIe slot of its own, or a number on the SCSI controller. */
export type DiskPlace =
  | { readonly kind: "port"; readonly index: number }
  | { readonly kind: "lun"; readonly lun: number };

/** LUNs from 256 on have another numbering in the guest. */
export const MAX_LUNS = 255;
/** PCIe slots that stand ready for disks (device numbers up to where cards are), where disks are virtio-blk; further ones go to the SCSI controller. */
const DISK_PORTS = 6;

/** How many slots to make for disks, beside those for other devices. */
export function diskPorts({ driver }: { readonly driver: string }): number {
  return driver === "virtio-blk" ? DISK_PORTS : 0;
}

/** All places, in the order in which they are taken. @param firstPort Slots before it are for other devices. */
export function* diskPlaces(options: DiskOptions, firstPort: number): Generator<DiskPlace> {
  for (let at = 0; at < diskPorts(options); at++) yield { kind: "port", index: firstPort + at };
  for (let lun = 0; lun < MAX_LUNS; lun++) yield { kind: "lun", lun };
}

export function samePlace(a: DiskPlace, b: DiskPlace): boolean {
  if (a.kind === "port") return b.kind === "port" && a.index === b.index;
  return b.kind === "lun" && a.lun === b.lun;
}

export function diskLocation(place: DiskPlace): GuestLocation {
  if (place.kind === "lun") return { kind: "scsi", target: 0, lun: place.lun };
  return { kind: "pci", path: `${rootPort(place.index).slot.toString(16)}/00` };
}

/**
 * Arguments of `blockdev-add`. `native` needs the page cache out of the way. What the guest discards is given back to
 * the file. Source: QEMU's QAPI schema, BlockdevOptions.
 */
export function blockNode(
  { id, path, source, readonly }: Disk,
  { aio, cache }: DiskOptions,
): Record<string, unknown> {
  const direct = aio === "native" || cache?.direct === true;
  const caching = { direct, "no-flush": cache?.noFlush === true };
  const common = { "read-only": readonly, discard: readonly ? "ignore" : "unmap", cache: caching };
  const file = { driver: blockDriver(source), filename: path, locking: "off", aio, ...common };
  return { driver: "raw", "node-name": id, ...common, file };
}

/** A full or failing disk of the host's is the writer's to hear of: by itself QEMU stops the whole VM when it is full. */
const ERRORS = { werror: "report", rerror: "report" } as const;

/** Arguments of `device_add`. */
export function diskDevice(
  { id }: Disk,
  place: DiskPlace,
  options: DiskOptions,
): Record<string, unknown> {
  const { logicalSectorBytes, physicalSectorBytes, queues, queueSize, iothread } = options;
  const common = {
    ...ERRORS,
    ...(logicalSectorBytes > 0 && { logical_block_size: logicalSectorBytes }),
    ...(physicalSectorBytes > 0 && { physical_block_size: physicalSectorBytes }),
  };
  if (place.kind === "lun") {
    const { lun } = place;
    return {
      driver: "scsi-hd",
      id,
      drive: id,
      bus: `${SCSI_BUS}.0`,
      "scsi-id": 0,
      lun,
      ...common,
    };
  }
  return {
    ...{ driver: "virtio-blk-pci", id, drive: id, bus: rootPort(place.index).id, ...common },
    ...{ "num-queues": queues, "queue-size": queueSize },
    ...(iothread && { iothread: IOTHREAD }),
  };
}

/** Id of the thread that serves disks. */
export const IOTHREAD = "disks";
