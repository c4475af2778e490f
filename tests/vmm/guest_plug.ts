/** Devices that come to and go from a conforming server's machine while it runs. */
import type { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import { deviceId, diskNode, type GuestDisk, type GuestFs, type GuestNet } from "./machine.ts";

export class GuestPlug {
  readonly #qmp: QmpClient;
  #exchanges = 0;

  constructor(qmp: QmpClient) {
    this.#qmp = qmp;
  }

  /** Plugs a disk. @returns Its device number on the root bus. */
  async addDisk(disk: GuestDisk): Promise<number> {
    await this.#qmp.execute("blockdev-add", diskNode(disk));
    return await this.#orTakeBack(
      this.#plug("virtio-blk-pci", disk.id, { drive: disk.id }),
      () => this.#qmp.execute("blockdev-del", { "node-name": disk.id }),
    );
  }

  async addNet({ id, tap, mac }: GuestNet): Promise<number> {
    const backend = { type: "tap", id, ifname: tap, script: "no", downscript: "no" };
    await this.#qmp.execute("netdev_add", backend);
    return await this.#orTakeBack(
      this.#plug("virtio-net-pci", id, { netdev: id, mac, romfile: "" }),
      () => this.#qmp.execute("netdev_del", { id }),
    );
  }

  async addFs({ id, tag, socket, queueSize }: GuestFs): Promise<number> {
    const addr = { type: "unix", data: { path: socket } };
    const backend = { type: "socket", data: { addr, server: false } };
    await this.#qmp.execute("chardev-add", { id, backend });
    return await this.#orTakeBack(
      this.#plug("vhost-user-fs-pci", id, { chardev: id, tag, "queue-size": queueSize }),
      () => this.#qmp.execute("chardev-remove", { id }),
    );
  }

  /** Asks the guest to let go of a device, and does not wait for it: then its backend goes too. */
  async remove(id: string): Promise<void> {
    const off = this.#qmp.onEvent(({ name, data }) => {
      if (name !== "DEVICE_DELETED" || data.device !== deviceId(id)) return;
      off();
      void this.#removeBackend(id);
    });
    await this.#qmp.execute("device_del", { id: deviceId(id) });
  }

  /** Makes a disk's file so large, and tells the guest. */
  async resizeDisk(id: string, size: number): Promise<void> {
    await this.#qmp.execute("block_resize", { "node-name": id, size });
  }

  /** Puts another file behind a disk, and tells the guest of its size. */
  async exchange({ id, path, readonly }: GuestDisk): Promise<void> {
    const node = `${id}-${this.#exchanges++}`;
    await this.#qmp.execute("blockdev-add", diskNode({ id, path, readonly }, node));
    const target = { path: `/machine/peripheral/${deviceId(id)}`, property: "drive" };
    const old = await this.#qmp.execute("qom-get", target);
    await this.#qmp.execute("qom-set", { ...target, value: node });
    const size = await this.#sizeOf(node);
    await this.#qmp.execute("block_resize", { "node-name": node, size }).catch((error) => {
      if (!readonly) throw error;
    });
    await this.#qmp.execute("blockdev-del", { "node-name": old });
  }

  async #sizeOf(node: string): Promise<number> {
    const nodes = await this.#qmp.execute("query-named-block-nodes", { flat: true }) as {
      "node-name": string;
      image: { "virtual-size": number };
    }[];
    return nodes.find((each) => each["node-name"] === node)?.image["virtual-size"] ?? 0;
  }

  async #removeBackend(id: string): Promise<void> {
    const ways = [["blockdev-del", "node-name"], ["netdev_del", "id"], ["chardev-remove", "id"]];
    for (const [way = "", key = ""] of ways) {
      const done = await this.#qmp.execute(way, { [key]: id }).then(() => true, () => false);
      if (done) return; // each kind of backend has one way
    }
  }

  async #orTakeBack(plugging: Promise<number>, takeBack: () => Promise<unknown>): Promise<number> {
    try {
      return await plugging;
    } catch (error) {
      await takeBack();
      throw error;
    }
  }

  async #plug(driver: string, id: string, more: Record<string, unknown>): Promise<number> {
    const before = await this.#slots();
    await this.#qmp.execute("device_add", { driver, id: deviceId(id), bus: "pci.0", ...more });
    return (await this.#slots()).find((slot) => !before.includes(slot)) ?? -1;
  }

  async #slots(): Promise<number[]> {
    const buses = await this.#qmp.execute("query-pci") as { devices: { slot: number }[] }[];
    return buses[0]?.devices.map(({ slot }) => slot) ?? [];
  }
}
