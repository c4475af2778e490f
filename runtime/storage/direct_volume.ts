import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";

/** Where a storage plugin notes that a volume goes to the VM as a disk. Source: Kata Containers, direct-volume. */
export const DIRECT_VOLUMES = "/run/kata-containers/shared/direct-volumes";
const MAX_BYTES = 64 * 1024;
/** Longest name of a file. */
const MAX_NAME = 255;

/** A volume that the host does not mount: the guest does. */
export interface DirectVolume {
  /** A block device or an image file. */
  readonly device: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly fsGroup?: { readonly groupId: number; readonly onRootMismatch: boolean };
}

/** The folder of a volume's notes: its path in the URL-safe alphabet of base64. */
export function directVolumeFolder(volumePath: string, base = DIRECT_VOLUMES): string {
  const name = new TextEncoder().encode(volumePath).toBase64({ alphabet: "base64url" });
  return `${base}/${name}`;
}

/**
 * What is noted of a volume, if anything is.
 * @throws {RuntimeError} InvalidArgument: the note cannot be used; names the file.
 */
export function readDirectVolume(volumePath: string, base?: string): DirectVolume | undefined {
  const folder = directVolumeFolder(volumePath, base);
  if (folder.length - folder.lastIndexOf("/") - 1 > MAX_NAME) return undefined;
  const file = `${folder}/mountInfo.json`;
  try {
    const { size } = Deno.statSync(file);
    if (size > MAX_BYTES) throw new Error(`${size} bytes are too many`);
    return parseMountInfo(Deno.readTextFileSync(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot use direct-assigned volume "${file}": ${messageOf(error)}`,
    );
  }
}

/** Exported for tests. @throws {Error} Saying what is wrong. */
export function parseMountInfo(text: string): DirectVolume {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new Error("it is not a JSON object");
  const type = value["volume-type"];
  if (type !== "block" && type !== "directvol") {
    throw new Error(`volume-type ${JSON.stringify(type)} is not "block"`);
  }
  const { device, fstype, options = [], metadata } = value;
  if (typeof device !== "string" || !device.startsWith("/")) {
    throw new Error(`"device" is not an absolute path`);
  }
  if (typeof fstype !== "string" || !/^[a-z0-9]{1,16}$/.test(fstype)) {
    throw new Error(`"fstype" is not the name of a file system`);
  }
  if (!Array.isArray(options) || !options.every((option) => typeof option === "string")) {
    throw new Error(`"options" is not an array of strings`);
  }
  return { device, fstype, options, ...fsGroupOf(metadata) };
}

function fsGroupOf(metadata: unknown): Pick<DirectVolume, "fsGroup"> {
  if (!isRecord(metadata) || metadata.fsGroup === undefined) return {};
  const { fsGroup, fsGroupChangePolicy } = metadata;
  if (typeof fsGroup !== "string" || !/^\d{1,10}$/.test(fsGroup)) {
    throw new Error(`"fsGroup" ${JSON.stringify(fsGroup)} is not a group id`);
  }
  return {
    fsGroup: {
      groupId: Number(fsGroup),
      onRootMismatch: fsGroupChangePolicy === "OnRootMismatch",
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
