import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { GuestStorage, HostMount } from "../share_fs/share_fs.ts";
import type { DirectVolume } from "../storage/direct_volume.ts";
import { emptyDirImage, isEmptyVolume } from "../storage/empty_dir_image.ts";
import { GUEST_STORAGE } from "../storage/guest_rootfs.ts";
import type { VolumeKind } from "../storage/volume.ts";
import { isObject, type JsonObject } from "./bundle.ts";
import type { GuestSource, MountContext } from "./guest_mounts.ts";

const GUEST_SANDBOX = "/run/kata-containers/sandbox";
const SHM = `${GUEST_SANDBOX}/shm`;
const EPHEMERAL = `${GUEST_SANDBOX}/ephemeral`;

/** The /dev/shm that the containers of a pod have in common. */
export function podShm(bytes: number): GuestSource {
  const options = ["nosuid", "nodev", "noexec", "mode=1777", `size=${bytes}`];
  return { path: SHM, storage: tmpfs("shm", SHM, options) };
}

/** An emptyDir in the guest's memory, bounded as the host's is, owned by whom the kubelet gave it to. */
export function memoryVolume(
  source: string,
  { name, bytes }: Extract<VolumeKind, { kind: "memory" }>,
): GuestSource {
  const { mode, uid, gid } = ownerOf(source);
  const size = bytes > 0 ? [`size=${bytes}`] : [];
  const options = [`mode=${octal(mode)}`, `uid=${uid}`, `gid=${gid}`, ...size];
  const path = `${EPHEMERAL}/${checkVolumeName(name)}`;
  return { path, storage: tmpfs("tmpfs", path, options) };
}

/** Huge pages, as many as the container's limit allows. */
export function hugePages(
  resources: JsonObject,
  source: string,
  { name, pageBytes }: Extract<VolumeKind, { kind: "huge-pages" }>,
): GuestSource {
  const bytes = hugePageLimit(resources, pageBytes);
  if (bytes === 0) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot mount huge pages of ${pageBytes} bytes from "${source}": the container has no limit for them`,
    );
  }
  const path = `${EPHEMERAL}/${checkVolumeName(name)}`;
  const options = [`pagesize=${pageBytes / 1024 ** 2}M`, `size=${bytes}`];
  return { path, storage: { ...tmpfs("nodev", path, options), fstype: "hugetlbfs" } };
}

function hugePageLimit({ hugepageLimits }: JsonObject, pageBytes: number): number {
  const limits = Array.isArray(hugepageLimits) ? hugepageLimits.filter(isObject) : [];
  const names = [`${pageBytes / 1024 ** 2}MB`, `${pageBytes / 1024 ** 3}GB`];
  const own = limits.find(({ pageSize }) => names.includes(String(pageSize)));
  return typeof own?.limit === "number" && own.limit > 0 ? own.limit : 0;
}

/**
 * An emptyDir on a disk image of its own in the emptyDir's folder. `undefined`: it comes by the share, because the
 * administrator wants that, because something is in it already, or because the share can do all that pods do with
 * such volumes. virtio-9p cannot: no sockets or pipes can be made there.
 */
export async function emptyDir(
  { config: { runtime }, share, disks, podId }: MountContext,
  { source }: HostMount,
  name: string,
): Promise<GuestSource | undefined> {
  if (!runtime.disableGuestEmptyDir) return guestFolder(source, name);
  const byImage = runtime.emptydirMode === "block-plain" ||
    (runtime.emptydirMode === "auto" && share.name !== "virtio-fs");
  if (!byImage || !isEmptyVolume(source)) return undefined;
  const { path: image, fresh } = emptyDirImage(source);
  const disk = await disks.attach(podId, { path: image, source: "file", readonly: false });
  const { mode, uid, gid } = ownerOf(source);
  const path = `${GUEST_STORAGE}/volumes/${checkVolumeName(name)}`;
  const storage: GuestStorage = {
    ...{ ...disk, fstype: "ext4", mountPoint: path, shared: true },
    options: ["noatime", "noinit_itable", "discard"],
    driverOptions: fresh ? ["create_filesystem", `mode=${octal(mode)}`, `owner=${uid}:${gid}`] : [],
  };
  return { path, storage };
}

/** A folder of the guest's own: fast, in its memory, and nothing of it on the host. */
function guestFolder(source: string, name: string): GuestSource {
  const { mode, gid } = ownerOf(source);
  const path = `${GUEST_SANDBOX}/local/${checkVolumeName(name)}`;
  const options = [`mode=${octal(mode)}`, ...(gid === 0 ? [] : [`fsgid=${gid}`])];
  return {
    path,
    storage: { driver: "local", source: "local", options, mountPoint: path, shared: true },
  };
}

/** A folder of a volume in the guest, made like the host's where it is not there, and kept. */
export function guestSubFolder(
  volume: string,
  source: string,
  below: string,
): Required<Pick<GuestSource, "path" | "folder">> {
  const path = `${volume}/${below}`, { mode } = ownerOf(source);
  const options = [`mode=${octal(mode)}`, "keep"];
  return {
    path,
    folder: { driver: "local", source: "local", options, mountPoint: path, shared: true },
  };
}

/** Where the guest mounts a direct-assigned volume, by its path on the host. */
export async function directVolumeGuestPath(source: string): Promise<string> {
  return `${GUEST_STORAGE}/direct/${await nameOf(source)}`;
}

/** A volume that a storage plugin left to the guest to mount. */
export async function directVolume(
  { disks, podId }: MountContext,
  { source, readonly }: HostMount,
  { device, fstype, options, fsGroup }: DirectVolume,
): Promise<GuestSource> {
  const kind = Deno.statSync(device).isBlockDevice ? "block-device" : "file";
  const onlyRead = options.includes("ro") || (readonly !== "none" && !options.includes("rw"));
  const disk = await disks.attach(podId, { path: device, source: kind, readonly: onlyRead });
  const path = await directVolumeGuestPath(source);
  const kept = options.filter((option) => option !== "ro" && option !== "rw");
  const storage: GuestStorage = {
    ...{ ...disk, fstype, mountPoint: path, shared: true },
    options: [...kept, onlyRead ? "ro" : "rw"],
    ...(fsGroup && {
      fsGroup: { groupId: fsGroup.groupId, groupChangePolicy: fsGroup.onRootMismatch ? 1 : 0 },
    }),
  };
  return { path, storage };
}

/** A short name that tells one volume from another. */
async function nameOf(source: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(source));
  return new Uint8Array(digest).subarray(0, 12).toHex();
}

function tmpfs(source: string, mountPoint: string, options: string[]): GuestStorage {
  return { driver: "ephemeral", source, fstype: "tmpfs", options, mountPoint, shared: true };
}

function ownerOf(path: string): { mode: number; uid: number; gid: number } {
  const { mode, uid, gid } = Deno.statSync(path);
  return { mode: (mode ?? 0o777) & 0o7777, uid: uid ?? 0, gid: gid ?? 0 };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/** Kubernetes' names of volumes are DNS labels. @throws {RuntimeError} InvalidArgument. */
function checkVolumeName(name: string): string {
  if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Not a usable name of a volume: ${JSON.stringify(name.slice(0, 120))}`,
  );
}
