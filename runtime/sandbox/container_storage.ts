import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DeviceSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { GuestStorage } from "../share_fs/share_fs.ts";
import { type BlockLayer, blockLayers } from "../storage/block_rootfs.ts";
import type { GuestDisk } from "../storage/disks.ts";
import { guestRootfs } from "../storage/guest_rootfs.ts";
import { blockDevicePath, hostBlockDevices } from "../storage/host_devices.ts";
import { mountRootfs, type RootfsMount, unmountRootfs } from "../storage/rootfs.ts";
import { isObject, type JsonObject } from "./bundle.ts";
import type { NewContainer } from "./lifecycle.ts";
import type { Sandbox } from "./sandbox.ts";

/** A container's root file system, ready for the guest. */
export interface ContainerRootfs {
  /** Path in the guest. */
  readonly path: string;
  /** What the agent mounts before. */
  readonly storages: readonly GuestStorage[];
}

/** The layers that go to the guest as disks; `undefined`: the host mounts the root file system and shares it. */
export function diskLayers(
  sandbox: Sandbox,
  rootfs: readonly RootfsMount[],
): readonly BlockLayer[] | undefined {
  const { disableBlockDeviceUse } = sandbox.config.hypervisor;
  return disableBlockDeviceUse && sandbox.share.name !== "none" ? undefined : blockLayers(rootfs);
}

/**
 * Brings a container's root file system towards the guest, without waiting for that.
 * @param undo Gets what takes it back.
 */
export async function prepareRootfs(
  sandbox: Sandbox,
  { id, config, rootfs }: NewContainer,
  layers: readonly BlockLayer[] | undefined,
  undo: AsyncDisposableStack,
): Promise<ContainerRootfs> {
  const { timeline, disks, share } = sandbox;
  undo.defer(() => disks.release(id));
  if (layers) {
    const plugged = await timeline.step("plug the root file system", () =>
      Promise.all(
        layers.map(async (layer) => [layer, await disks.attach(id, layer)] as const),
      ));
    return guestRootfs(id, plugged);
  }
  if (rootfs.length > 0) {
    undo.defer(() => unmountRootfs(config.rootPath));
    await timeline.step("mount the root file system", () => mountRootfs(rootfs, config.rootPath));
  }
  undo.defer(() => share.remove(id));
  const path = await timeline.step(
    "share the root file system",
    () => share.shareRootfs(id, config.rootPath),
  );
  return { path, storages: [] };
}

/** A disk of the host as the agent's message has it. */
type GuestDevice = MessageInitShape<typeof DeviceSchema>;

/** Plugs the disks that a container's configuration names one by one. */
export async function attachDevices(
  sandbox: Sandbox,
  { id, config }: NewContainer,
): Promise<GuestDevice[]> {
  const devices: GuestDevice[] = [];
  for (const { containerPath, readonly, ...numbers } of blockDevicesOf(config.json)) {
    const path = blockDevicePath(numbers);
    const disk: GuestDisk = await sandbox.disks.attach(id, {
      ...{ path, source: "block-device", readonly },
    });
    devices.push({ id: path, type: disk.driver, vmPath: disk.source, containerPath });
  }
  return devices;
}

/** See {@linkcode hostBlockDevices}. */
export function blockDevicesOf(json: JsonObject): ReturnType<typeof hostBlockDevices> {
  const linux = isObject(json.linux) ? json.linux : {};
  const resources = isObject(linux.resources) ? linux.resources : {};
  const list = (value: unknown): JsonObject[] => Array.isArray(value) ? value.filter(isObject) : [];
  return hostBlockDevices(list(linux.devices), list(resources.devices));
}
