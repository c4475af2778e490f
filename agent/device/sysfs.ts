/** Where disks appear in /sys. */
import { Code, RuntimeError } from "../../common/base/errors.ts";

const PCI_ROOT = "/sys/devices/pci0000:00";

/**
 * Device file of the disk at a PCI path: two hexadecimal digits for each slot on the way, `02/03` for slot 3 behind
 * the bridge in slot 2. `undefined` while there is none.
 * @throws {RuntimeError} InvalidArgument: no such form.
 */
export async function pciBlockDevice(path: string): Promise<string | undefined> {
  let folder: string | undefined = PCI_ROOT;
  for (const slot of parsePciPath(path)) {
    folder = await childNamed(folder, new RegExp(`^[0-9a-f]{4}:[0-9a-f]{2}:${slot}\\.0$`));
    if (folder === undefined) return undefined;
  }
  const virtio = await childNamed(folder, /^virtio\d+$/);
  return virtio === undefined ? undefined : await deviceIn(`${virtio}/block`);
}

/** The slots of a PCI path. @throws {RuntimeError} InvalidArgument. */
export function parsePciPath(path: string): string[] {
  if (/^[0-1][0-9a-f](\/[0-1][0-9a-f]){0,7}$/.test(path)) return path.split("/");
  throw new RuntimeError(Code.InvalidArgument, `${JSON.stringify(path)} is not a PCI path`);
}

interface ScsiAddress {
  readonly id: number;
  readonly lun: number;
}

/** @throws {RuntimeError} InvalidArgument unless `id:lun` in decimal. */
export function parseScsiAddress(text: string): ScsiAddress {
  const match = /^(\d{1,3}):(\d{1,5})$/.exec(text);
  if (match) return { id: Number(match[1]), lun: Number(match[2]) };
  throw new RuntimeError(
    Code.InvalidArgument,
    `${JSON.stringify(text)} is not a SCSI address "id:lun"`,
  );
}

/** Asks every controller to look for a disk. */
export async function rescanScsi(address: string): Promise<void> {
  const { id, lun } = parseScsiAddress(address);
  for await (const host of Deno.readDir("/sys/class/scsi_host")) {
    await Deno.writeTextFile(`/sys/class/scsi_host/${host.name}/scan`, `0 ${id} ${lun}`, {
      create: false,
    });
  }
}

/** Device file of a SCSI disk; `undefined` while there is none. */
export async function scsiBlockDevice(address: string): Promise<string | undefined> {
  const { id, lun } = parseScsiAddress(address);
  const found = await childNamed("/sys/class/scsi_device", new RegExp(`^\\d+:0:${id}:${lun}$`));
  return found === undefined ? undefined : await deviceIn(`${found}/device/block`);
}

async function deviceIn(folder: string): Promise<string | undefined> {
  const disk = await childNamed(folder, /^[a-z]+[a-z0-9]*$/);
  return disk === undefined ? undefined : `/dev/${disk.slice(disk.lastIndexOf("/") + 1)}`;
}

async function childNamed(folder: string, name: RegExp): Promise<string | undefined> {
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (name.test(entry.name)) return `${folder}/${entry.name}`;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}
