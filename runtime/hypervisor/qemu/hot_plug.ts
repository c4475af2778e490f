import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Device, Disk, GuestLocation, Net } from "../device.ts";
import { rootPort } from "./device_arguments.ts";
import {
  blockNode,
  diskDevice,
  diskLocation,
  type DiskPlace,
  diskPlaces,
  samePlace,
} from "./disk.ts";
import type { DiskOptions } from "./options.ts";
import type { QmpClient } from "./qmp.ts";
import { withOpenDisk } from "./open_disk.ts";
import { unplug } from "./unplug.ts";

type Plugged =
  | { readonly device: Disk; readonly place: DiskPlace }
  | { readonly device: Net; readonly slot: number };

export interface HotPlugOptions {
  /** PCIe slots for cards; those for disks come after them. */
  readonly rootPorts: number;
  readonly disk: DiskOptions;
  /** Whether QEMU may open disks; otherwise we do. */
  readonly opensDisks: boolean;
}

/** Plugs devices into a running QEMU and takes them out; knows which slots are free. */
export class HotPlug {
  readonly #qmp: QmpClient;
  readonly #options: HotPlugOptions;
  readonly #plugged = new Map<string, Plugged>();
  readonly #locations = new Map<string, GuestLocation>();
  /** LUNs that disks have left, the latest at the end. */
  readonly #leftLuns = new Set<number>();

  constructor(qmp: QmpClient, options: HotPlugOptions) {
    this.#qmp = qmp;
    this.#options = options;
  }

  async attach(device: Device): Promise<GuestLocation> {
    if (device.kind !== "disk" && device.kind !== "net") {
      throw new RuntimeError(
        Code.Unimplemented,
        `Cannot plug a ${device.kind} device into a running QEMU`,
      );
    }
    if (this.#plugged.has(device.id)) {
      throw new RuntimeError(
        Code.AlreadyExists,
        `Device ${JSON.stringify(device.id)} is plugged already`,
      );
    }
    // Noted before the first wait, so that nobody takes the same place.
    try {
      const location = device.kind === "disk"
        ? await this.#attachDisk(device)
        : await this.#attachNet(device);
      this.#locations.set(device.id, location);
      return location;
    } catch (error) {
      this.#plugged.delete(device.id);
      throw error;
    }
  }

  /** See Vm.resizeDisk. A disk's node has the disk's name. */
  async resizeDisk(id: string, bytes: number): Promise<void> {
    if (this.#plugged.get(id)?.device.kind !== "disk") throw notPlugged(id);
    await this.#qmp.execute("block_resize", { "node-name": id, size: bytes });
  }

  /** Where a plugged device is. */
  locationOf(id: string): GuestLocation | undefined {
    return this.#locations.get(id);
  }

  /** @throws {RuntimeError} NotFound: not plugged. DeadlineExceeded, FailedPrecondition: the guest does not let go. */
  async detach(id: string): Promise<void> {
    const plugged = this.#plugged.get(id);
    if (!plugged) throw notPlugged(id);
    await unplug(this.#qmp, id);
    await this.#freeBackend(plugged.device);
    this.#plugged.delete(id);
    this.#locations.delete(id);
    if (!("place" in plugged) || plugged.place.kind !== "lun") return;
    this.#leftLuns.delete(plugged.place.lun);
    this.#leftLuns.add(plugged.place.lun);
  }

  /**
   * A slot, where one is free: the guest has let go of what was in it. Otherwise the LUN that was free for longest: QEMU
   * takes a SCSI disk out at once, and a guest that is late would take the next one at its place for the old.
   */
  #freePlace(): DiskPlace {
    const taken = [...this.#plugged.values()].flatMap((each) =>
      "place" in each ? [each.place] : []
    );
    const free = [...diskPlaces(this.#options.disk, this.#options.rootPorts)]
      .filter((place) => !taken.some((each) => samePlace(each, place)));
    const [first] = free;
    if (first === undefined) throw full("disk", taken.length);
    if (first.kind === "port") return first;
    const left = [...this.#leftLuns]; // those that no disk has left yet are at -1 there
    const luns = free.flatMap((place) => place.kind === "lun" ? [place.lun] : []);
    const [lun = first.lun] = luns.sort((a, b) => left.indexOf(a) - left.indexOf(b));
    return { kind: "lun", lun };
  }

  #freeSlot(): number {
    const taken = new Set(
      [...this.#plugged.values()].flatMap((each) => "slot" in each ? [each.slot] : []),
    );
    for (let slot = 0; slot < this.#options.rootPorts; slot++) if (!taken.has(slot)) return slot;
    throw full("net", taken.size);
  }

  async #attachDisk(device: Disk): Promise<GuestLocation> {
    const place = this.#freePlace(), { disk } = this.#options;
    this.#plugged.set(device.id, { device, place });
    if (this.#options.opensDisks) {
      await this.#qmp.execute("blockdev-add", blockNode(device, disk));
    } else {
      await withOpenDisk(
        this.#qmp,
        device,
        (path) => this.#qmp.execute("blockdev-add", blockNode({ ...device, path }, disk)),
      );
    }
    await this.#orFreeBackend(device, diskDevice(device, place, disk));
    return diskLocation(place);
  }

  async #attachNet(net: Net): Promise<GuestLocation> {
    const { id, mac, fds } = net, slot = this.#freeSlot();
    this.#plugged.set(id, { device: net, slot });
    await this.#qmp.execute("netdev_add", { type: "tap", id, ...await this.#tapOptions(net) });
    const port = rootPort(slot);
    const queues = fds?.length ?? 1;
    const multi = queues > 1 ? { mq: true, vectors: 2 * queues + 2 } : {};
    const device = { driver: "virtio-net-pci", id, netdev: id, mac, romfile: "", ...multi };
    await this.#orFreeBackend(net, { ...device, bus: port.id });
    return { kind: "pci", path: `${port.slot.toString(16)}/00` };
  }

  /** Hands descriptors over by name; QEMU owns its copies from then on. */
  async #tapOptions({ id, tap, ...given }: Net): Promise<Record<string, unknown>> {
    const { fds: tapFds, vhostFds = [] } = given;
    if (!tapFds) return { ifname: tap, script: "no", downscript: "no" };
    const pass = async (kind: string, descriptors: readonly number[]): Promise<string> => {
      const names = descriptors.map((_, index) => `${kind}-${id}-${index}`);
      for (const [index, fd] of descriptors.entries()) {
        await this.#qmp.execute("getfd", { fdname: names[index] }, { fd });
      }
      return names.join(":");
    };
    const fds = await pass("tap", tapFds);
    if (vhostFds.length === 0) return { fds };
    return { fds, vhost: true, vhostfds: await pass("vhost", vhostFds) };
  }

  async #orFreeBackend(device: Disk | Net, args: Record<string, unknown>): Promise<void> {
    try {
      await this.#qmp.execute("device_add", args);
    } catch (error) {
      await this.#freeBackend(device);
      throw error;
    }
  }

  async #freeBackend({ kind, id }: Disk | Net): Promise<void> {
    if (kind === "disk") await this.#qmp.execute("blockdev-del", { "node-name": id });
    else await this.#qmp.execute("netdev_del", { id });
  }
}

function notPlugged(id: string): RuntimeError {
  return new RuntimeError(Code.NotFound, `Device ${JSON.stringify(id)} is not plugged`);
}

function full(kind: string, count: number): RuntimeError {
  return new RuntimeError(
    Code.ResourceExhausted,
    `No slot left for another ${kind}: all ${count} are taken`,
  );
}
