import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StorageSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { BlockLayer } from "./block_rootfs.ts";
import type { GuestDisk } from "./disks.ts";

type Storage = MessageInitShape<typeof StorageSchema>;

/** Where the guest mounts disks. Source: the Kata agent's kataGuestSandboxStorageDir. */
export const GUEST_STORAGE = "/run/kata-containers/sandbox/storage";

/** A root file system that the guest mounts itself. */
export interface GuestRootfs {
  readonly path: string;
  /** To be mounted in this order. */
  readonly storages: readonly Storage[];
}

/**
 * How the guest makes a root file system of layers, lowest first. One layer is used as it is. Of several the highest is
 * written to if it is writable (its own `upper` folder); otherwise what is written stays in the guest's memory.
 */
export function guestRootfs(
  containerId: string,
  layers: readonly (readonly [BlockLayer, GuestDisk])[],
): GuestRootfs {
  const base = `${GUEST_STORAGE}/${containerId}`;
  const [only] = layers;
  if (layers.length === 1 && only) {
    const path = `${base}/rootfs`;
    return { path, storages: [layerStorage(only, path)] };
  }
  const points = layers.map((_, at) => `${base}/layer${at}`);
  const storages = layers.map((layer, at) => layerStorage(layer, `${base}/layer${at}`));
  const path = `${base}/rootfs`;
  const top = layers.at(-1)?.[0];
  const upper = top?.readonly === false ? points.pop() : undefined;
  const options = [`lowerdir=${points.toReversed().join(":")}`];
  if (upper) options.push(`upperdir=${upper}/upper`, `workdir=${upper}/work`);
  const overlay: Storage = {
    ...{ driver: "overlayfs", source: "overlay", fstype: "overlay", options, mountPoint: path },
    driverOptions: upper ? [] : ["io.katacontainers.fs-opt.overlay-rw"],
  };
  return { path, storages: [...storages, overlay] };
}

function layerStorage(
  [{ fstype, options }, { driver, source }]: readonly [BlockLayer, GuestDisk],
  mountPoint: string,
): Storage {
  return { driver, source, fstype, options: [...options], mountPoint };
}
