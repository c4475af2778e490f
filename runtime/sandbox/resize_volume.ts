import { Code, RuntimeError } from "../../common/base/errors.ts";
import { readDirectVolume } from "../storage/direct_volume.ts";
import { directVolumeGuestPath } from "./guest_volumes.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long a file system may take to grow, in milliseconds: minutes for a TiB in small blocks, in an emulated guest. */
export const RESIZE_MS = 600_000;

/** The word that operators say; a line with the size and the volume's path, percent-encoded, behind it. */
const WORD = "resize-volume";

/** A volume by its path on the host, and how many bytes its file system shall have. */
export interface VolumeSize {
  readonly volume: string;
  readonly bytes: number;
}

/** What a sandbox is asked to have a volume grow. */
export function resizeLine({ volume, bytes }: VolumeSize): string {
  return `${WORD} ${bytes} ${encodeURIComponent(volume)}`;
}

/** @returns `undefined`: the line asks for something else. @throws {RuntimeError} InvalidArgument. */
export function parseResizeLine(line: string): VolumeSize | undefined {
  const [word, size = "", volume = "", surplus] = line.split(" ");
  if (word !== WORD) return undefined;
  const bytes = parseBytes(size), path = decoded(volume);
  if (bytes !== undefined && path?.startsWith("/") && surplus === undefined) {
    return { volume: path, bytes };
  }
  throw new RuntimeError(Code.InvalidArgument, `Not a request to resize: ${JSON.stringify(line)}`);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // not percent-encoded UTF-8
  }
}

/** A positive number of bytes, in decimal, that a number holds exactly; otherwise `undefined`. */
export function parseBytes(text: string): number | undefined {
  const bytes = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * Has a direct-assigned volume, whose disk was made larger on the host, grow in the guest.
 * @returns False: the sandbox does not use it.
 * @throws {RuntimeError} As {@linkcode Disks.grow}, and as the agent's ResizeVolume.
 */
export async function resizeVolume(
  { disks, guest }: Pick<Sandbox, "disks" | "guest">,
  { volume, bytes }: VolumeSize,
): Promise<boolean> {
  const noted = readDirectVolume(volume);
  if (!noted || !await disks.grow(noted.device, bytes)) return false;
  const volumeGuestPath = await directVolumeGuestPath(volume);
  const { link } = await guest;
  await link.agent.resizeVolume({ volumeGuestPath, size: BigInt(bytes) }, { timeoutMs: RESIZE_MS });
  return true;
}
