import { mountsUnder } from "../../common/linux/mountinfo.ts";
import type { RuntimeConfig } from "../config/config.ts";
import type { CopiedFiles } from "../share_fs/copied_files.ts";
import type { GuestStorage, HostMount, ReadOnly, ShareFs } from "../share_fs/share_fs.ts";
import type { Disks } from "../storage/disks.ts";
import { readDirectVolume } from "../storage/direct_volume.ts";
import { emptyDirSubPath, type SubPath } from "../storage/sub_path.ts";
import { volumeKind } from "../storage/volume.ts";
import { isObject, type Json, type JsonObject } from "./bundle.ts";
import {
  directVolume,
  emptyDir,
  guestSubFolder,
  hugePages,
  memoryVolume,
  podShm,
} from "./guest_volumes.ts";

/** Where a container's mounts get what they need. */
export interface MountContext {
  readonly containerId: string;
  /** Holder of disks that the pod's containers have in common. */
  readonly podId: string;
  readonly share: ShareFs;
  readonly copies: CopiedFiles;
  readonly disks: Disks;
  readonly config: Pick<RuntimeConfig, "runtime">;
  /** `linux.resources` of the container. */
  readonly resources: JsonObject;
}

/** A container's mounts as the guest makes them, and what the agent mounts before. */
export interface GuestMounts {
  readonly mounts: readonly JsonObject[];
  readonly storages: readonly GuestStorage[];
}

/** What a bind mount becomes in the guest. */
export interface GuestSource {
  /** Path in the guest. */
  readonly path: string;
  readonly storage?: GuestStorage;
  /** What the path is in that storage, if it is not the whole of it. */
  readonly folder?: GuestStorage;
}

/** Prepares all mounts of a container. @throws {RuntimeError} What was prepared is released with the container. */
export async function guestMounts(
  context: MountContext,
  mounts: readonly JsonObject[],
): Promise<GuestMounts> {
  const storages: GuestStorage[] = [];
  const converted: JsonObject[] = [];
  for (const mount of mounts) {
    const host = hostMountOf(mount);
    if (!host) {
      converted.push(mount);
      continue;
    }
    const { path, storage, folder } = await sourceOf(context, host);
    for (const each of [storage, folder]) if (each) storages.push(each);
    const options = guestOptions(stringsOf(mount.options), host);
    converted.push({ ...mount, type: "bind", source: path, options });
  }
  return { mounts: converted, storages };
}

async function sourceOf(context: MountContext, host: HostMount): Promise<GuestSource> {
  const direct = readDirectVolume(host.source);
  if (direct) return await directVolume(context, host, direct);
  const part = emptyDirSubPath(host.source, context.config.runtime.kubeletRootDir);
  if (part) return await partOf(context, host, part);
  const volume = volumeKind(
    ...[host.source, host.destination, context.config.runtime.kubeletRootDir] as const,
  );
  switch (volume.kind) {
    case "shm":
      return podShm(volume.bytes);
    case "memory":
      return memoryVolume(host.source, volume);
    case "huge-pages":
      return hugePages(context.resources, host.source, volume);
    case "empty-dir":
      return await emptyDir(context, host, volume.name) ?? await shared(context, host);
    case "changing":
      return { path: await context.copies.add(context.containerId, host.source, host.destination) };
    case "kernel-device":
      return { path: volume.path };
    case "plain":
      return await shared(context, host);
  }
}

/** A part of a volume that the guest has otherwise than by the share must come from there too. */
async function partOf(
  context: MountContext,
  host: HostMount,
  { volume, below }: SubPath,
): Promise<GuestSource> {
  const whole = await sourceOf(context, { ...host, source: volume });
  if (!whole.storage) return await shared(context, host);
  return below === "" ? whole : { ...whole, ...guestSubFolder(whole.path, host.source, below) };
}

async function shared({ share, containerId }: MountContext, host: HostMount): Promise<GuestSource> {
  return { path: await share.shareMount(containerId, host) };
}

function stringsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Whether the mount brings something of the host's into the container. */
function hostMountOf(mount: JsonObject): HostMount | undefined {
  const options = stringsOf(mount.options);
  const recursive = options.includes("rbind");
  const isBind = mount.type === "bind" || recursive || options.includes("bind");
  if (
    !isBind || typeof mount.source !== "string" ||
    typeof mount.destination !== "string"
  ) return undefined;
  const follows = options.some((option) => /^r?(slave|shared)$/.test(option));
  const { source, destination } = mount;
  return { source, destination, readonly: readonlyOf(options), recursive, follows };
}

/** `ro` leaves mounts below writable, as the kernel does; `rro` does not. */
function readonlyOf(options: readonly string[]): ReadOnly {
  if (options.includes("rro")) return "all";
  return options.includes("ro") && !options.includes("rw") ? "top" : "none";
}

/**
 * What comes by a share is one mount in the guest. Where only the top is read-only but not what is mounted below, the
 * host alone sees to that: the guest would make all of it read-only.
 */
function guestOptions(options: readonly string[], { source, readonly }: HostMount): string[] {
  if (readonly === "none") return [...options];
  const rest = options.filter((option) => option !== "ro" && option !== "rro");
  if (readonly === "top" && mountsUnder(source).some((each) => each.mountPoint !== source)) {
    return rest;
  }
  return [...rest, "ro"];
}

/** The entries of `mounts` in a configuration. */
export function mountsOf(config: JsonObject): JsonObject[] {
  return Array.isArray(config.mounts) ? config.mounts.filter(isObject) : [];
}
