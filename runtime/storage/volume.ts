import { isMountPoint, type MountInfo, readMountInfo } from "../../common/linux/mountinfo.ts";

/** How the kubelet keeps a pod's volumes: `<root>/pods/<uid>/volumes/kubernetes.io~<kind>/<name>`. */
const KUBELET_VOLUME = /^\/pods\/[^/]+\/volumes\/kubernetes\.io~([a-z-]+)\/([^/]+)(\/.*)?$/;
/** Kinds whose files the kubelet changes while containers run. */
const CHANGING: ReadonlySet<string> = new Set(["configmap", "secret", "projected", "downward-api"]);
const EMPTY_DIR = "empty-dir";
/** Kubernetes' size of /dev/shm where nobody says otherwise. */
const SHM_BYTES = 64 * 1024 * 1024;

/** What a bind mount's source is, as far as the guest should have it otherwise than by a share. */
export type VolumeKind =
  /** The pod's /dev/shm. */
  | { readonly kind: "shm"; readonly bytes: number }
  /** An emptyDir in memory. `bytes` 0: as much as the file system allows by itself. */
  | { readonly kind: "memory"; readonly name: string; readonly bytes: number }
  /** An emptyDir of huge pages. */
  | { readonly kind: "huge-pages"; readonly name: string; readonly pageBytes: number }
  /** An emptyDir on the host's disk. */
  | { readonly kind: "empty-dir"; readonly name: string }
  /** A ConfigMap, Secret or the like: small, and changing while containers run. */
  | { readonly kind: "changing" }
  /** A device of the kernel itself, such as /dev/null: the guest's own stands in for it. */
  | { readonly kind: "kernel-device"; readonly path: string }
  | { readonly kind: "plain" };

const PLAIN: VolumeKind = { kind: "plain" };

/**
 * Tells what a bind mount's source is by its path and by what the host has mounted there.
 * @param kubeletRoot Where the kubelet keeps its files.
 */
export function volumeKind(source: string, destination: string, kubeletRoot: string): VolumeKind {
  const inside = source.startsWith(`${kubeletRoot}/`) ? source.slice(kubeletRoot.length) : "";
  const [, kind, name, below] = KUBELET_VOLUME.exec(inside) ?? [];
  if (kind !== undefined && name !== undefined && below === undefined) {
    if (CHANGING.has(kind)) return { kind: "changing" };
    if (kind === EMPTY_DIR) return emptyDir(source, name);
  }
  if (destination === "/dev/shm") {
    const mounted = mountAt(source);
    if (mounted?.fstype === "tmpfs") return { kind: "shm", bytes: sizeOf(mounted) || SHM_BYTES };
  }
  return kernelDevice(source) ?? PLAIN;
}

function emptyDir(source: string, name: string): VolumeKind {
  const mounted = mountAt(source);
  if (mounted?.fstype === "tmpfs") return { kind: "memory", name, bytes: sizeOf(mounted) };
  if (mounted?.fstype === "hugetlbfs") {
    return { kind: "huge-pages", name, pageBytes: optionBytes(mounted, "pagesize") };
  }
  return { kind: "empty-dir", name };
}

/** The guest has the same devices under the same names. Source: linux/Documentation/admin-guide/devices.txt, major 1. */
const KERNEL_DEVICES: Readonly<Record<number, string>> = {
  3: "/dev/null",
  5: "/dev/zero",
  7: "/dev/full",
  8: "/dev/random",
  9: "/dev/urandom",
};

function kernelDevice(source: string): VolumeKind | undefined {
  if (!source.startsWith("/")) return undefined;
  try {
    const { isCharDevice, rdev } = Deno.statSync(source);
    const path = isCharDevice && rdev !== null && rdev >> 8 === 1
      ? KERNEL_DEVICES[rdev & 0xff]
      : undefined;
    return path === undefined ? undefined : { kind: "kernel-device", path };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // whoever shares it tells
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function mountAt(path: string): MountInfo | undefined {
  if (!isMountPoint(path)) return undefined;
  const real = Deno.realPathSync(path);
  return readMountInfo().findLast(({ mountPoint }) => mountPoint === real);
}

/** Bytes of a tmpfs; 0 where it has no limit of its own. */
function sizeOf(mounted: MountInfo): number {
  return optionBytes(mounted, "size");
}

function optionBytes({ superOptions }: MountInfo, name: string): number {
  const text = superOptions.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const [, digits, unit = ""] = /^(\d+)([kMG]?)$/.exec(text ?? "") ?? [];
  const factor = { "": 1, k: 1024, M: 1024 ** 2, G: 1024 ** 3 }[unit] ?? 1;
  return digits === undefined ? 0 : Number(digits) * factor;
}
