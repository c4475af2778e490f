/** Storage drivers by name; code that few guests need is loaded when it is asked for. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { mountWithOptions } from "../../common/linux/mount.ts";

/** The members of Kata's Storage message that drivers use. */
export interface StorageRequest {
  readonly driver: string;
  readonly driverOptions: readonly string[];
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly fsGroup?: FsGroup | undefined;
  readonly shared: boolean;
}

export interface FsGroup {
  readonly groupId: number;
  /** 0: always, 1: only where the root has another group. */
  readonly groupChangePolicy: number;
}

/** Device file of a disk, by driver and source; waits for it. */
export type FindDisk = (driver: string, source: string) => Promise<string>;

/** What a storage leaves behind when it is unmounted, to be removed then. */
export type Leftovers = readonly string[];

export type StorageHandler = (
  storage: StorageRequest,
  mountPoint: string,
  findDisk: FindDisk,
) => Promise<Leftovers | void>;

const HANDLERS: Record<string, () => Promise<StorageHandler>> = {
  "9p": () => Promise.resolve(mountShare("9p", ["trans=virtio", "version=9p2000.L"])),
  "virtio-fs": () => Promise.resolve(mountShare("virtiofs", [])),
  "bind": () => Promise.resolve(mountBind),
  "overlayfs": async () => (await import("./overlay.ts")).mountOverlay,
  "ephemeral": async () => (await import("./ephemeral.ts")).mountEphemeral,
  "local": async () => (await import("./local.ts")).makeLocal,
  "blk": async () => (await import("./block.ts")).mountDisk,
  "mmioblk": async () => (await import("./block.ts")).mountDisk,
  "scsi": async () => (await import("./block.ts")).mountDisk,
};

/** Names of all drivers, for GetGuestDetails. */
export const STORAGE_DRIVERS: readonly string[] = Object.keys(HANDLERS);

/** @throws {RuntimeError} InvalidArgument: no such driver. */
export function handlerOf(driver: string): Promise<StorageHandler> {
  const load = Object.hasOwn(HANDLERS, driver) ? HANDLERS[driver] : undefined;
  if (load) return load();
  throw new RuntimeError(
    Code.InvalidArgument,
    `Unknown storage driver ${JSON.stringify(driver)}; there are ${STORAGE_DRIVERS.join(", ")}`,
  );
}

/** A share of the host; its source is the tag of the device. */
function mountShare(fstype: string, defaults: readonly string[]): StorageHandler {
  return async (storage, point) => {
    const own = storage.options.map((option) => option.split("=")[0]);
    const missing = defaults.filter((option) => !own.includes(option.split("=")[0]));
    await Deno.mkdir(point, { recursive: true });
    mountWithOptions(storage.source, point, fstype, [...missing, ...storage.options]);
  };
}

/** A folder or file of the guest, seen at another place. */
async function mountBind(storage: StorageRequest, point: string): Promise<void> {
  await makeTarget(storage.source, point);
  mountWithOptions(storage.source, point, "", ["bind", ...storage.options]);
}

async function makeTarget(source: string, point: string): Promise<void> {
  const { isDirectory } = await Deno.stat(source);
  if (isDirectory) return await Deno.mkdir(point, { recursive: true });
  await Deno.mkdir(point.slice(0, point.lastIndexOf("/")) || "/", { recursive: true });
  await Deno.writeFile(point, new Uint8Array(), { append: true });
}
