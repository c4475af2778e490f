import { O, open } from "../../common/linux/fd.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { statfs } from "../../common/linux/statfs.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/** The file inside an emptyDir's folder that holds it: what the kubelet counts there is what the pod uses. */
const IMAGE = ".kata-volume.img";
/** Source: ext4's superblock: magic at 0x438. */
const MAGIC_AT = 0x438, MAGIC = [0x53, 0xef];
const MIN_BYTES = 16 * 1024 * 1024, MAX_BYTES = 1024 ** 4;
const SECTOR_BYTES = 4096;

/** A disk image, and whether the guest must make a file system on it first. */
export interface VolumeImage {
  readonly path: string;
  readonly fresh: boolean;
}

/**
 * The disk image of an emptyDir, made if it is not there: sparse, and as large as the folder's file system has room,
 * so that a quota of the host's is the volume's size. Found again when a pod's VM is replaced.
 */
export function emptyDirImage(folder: string): VolumeImage {
  const path = `${folder}/${IMAGE}`;
  using fd = new OwnedFd(open(path, O.RDWR | O.CREAT | O.NOFOLLOW, 0o600));
  using file = Deno.openSync(`/proc/self/fd/${fd.fd}`, { read: true, write: true });
  if (hasFileSystem(file)) return { path, fresh: false };
  const room = Number(statfs(folder).availableBytes);
  const bytes = Math.min(MAX_BYTES, Math.max(MIN_BYTES, room - room % SECTOR_BYTES));
  file.truncateSync(bytes);
  return { path, fresh: true };
}

function hasFileSystem(file: Deno.FsFile): boolean {
  file.seekSync(MAGIC_AT, Deno.SeekMode.Start);
  const bytes = new Uint8Array(MAGIC.length);
  return file.readSync(bytes) === bytes.length && MAGIC.every((byte, at) => bytes[at] === byte);
}

/**
 * Whether the folder holds such an image, or nothing: others keep what is in them. Beside an image there may be the
 * folders that the kubelet makes for parts of the volume.
 */
export function isEmptyVolume(folder: string): boolean {
  try {
    const entries = [...Deno.readDirSync(folder)];
    const image = entries.some(({ name }) => name === IMAGE);
    return entries.every(({ name, isDirectory }) => image && (name === IMAGE || isDirectory));
  } catch (error) {
    if (isErrno(error, "ENOENT") || error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
