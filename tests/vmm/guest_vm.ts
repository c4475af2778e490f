/**
 * The machine behind a conforming API server: a real VM in QEMU with hybrid vsock, so that guests really run. It ends
 * with the server, however that ends.
 */
import { TCG_KERNEL_PARAMS } from "../../runtime/hypervisor/guest_kernel_params.ts";
import { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import type { QmpEvent } from "../../runtime/hypervisor/qemu/qmp_message.ts";
import { startServing } from "../../runtime/hypervisor/serving_process.ts";
import type { RunningVmProcess } from "../../runtime/hypervisor/vm_process.ts";

/** A disk or a card that is there from the start. */
export interface GuestDisk {
  readonly id: string;
  readonly path: string;
  readonly readonly: boolean;
}
export interface GuestNet {
  readonly id: string;
  readonly tap: string;
  readonly mac: string;
}

/** The machine, as either interface describes it. */
export interface GuestMachine {
  readonly kernel: string;
  readonly initrd?: string | undefined;
  readonly commandLine: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly disks: readonly GuestDisk[];
  readonly nets: readonly GuestNet[];
  /** Where the host reaches the guest's vsock. */
  readonly vsockPath: string;
  /** File that takes what the guest writes to its serial line. */
  readonly consolePath: string;
}

const READY_MS = 10_000;
const BELOW_ITS_SERVER = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"];

function diskNode({ id, path, readonly }: GuestDisk, node = id): Record<string, unknown> {
  const file = { driver: "file", filename: path, "read-only": readonly, locking: "off" };
  return { driver: "raw", "node-name": node, "read-only": readonly, file };
}

function argumentsOf(machine: GuestMachine, folder: string): string[] {
  const { kernel, initrd, vcpus, memoryMiB, disks, nets } = machine;
  const commandLine = `${machine.commandLine} ${TCG_KERNEL_PARAMS.join(" ")}`
    .split(" ").filter((word) => word !== "pci=off"); // here its devices are on PCI
  return [
    ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-machine", "pc,usb=off,vmport=off,hpet=off,graphics=off,memory-backend=ram"],
    ...["-accel", "tcg,tb-size=64", "-cpu", "max,-erms,-fsrm"],
    ...["-m", `${memoryMiB}M`, "-smp", `${vcpus}`],
    ...["-object", `memory-backend-memfd,share=on,id=ram,size=${memoryMiB}M`],
    ...["-qmp", `unix:${folder}/qmp.sock,server=on,wait=off`],
    ...["-chardev", `file,id=console,path=${machine.consolePath}`, "-serial", "chardev:console"],
    ...["-kernel", kernel, ...(initrd === undefined ? [] : ["-initrd", initrd])],
    ...["-append", commandLine.join(" ")],
    ...["-chardev", `socket,id=vs,path=${folder}/vhost.sock`],
    ...["-device", "vhost-user-vsock-pci,chardev=vs", "-device", "virtio-rng-pci"],
    ...disks.flatMap((disk) => [
      ...["-blockdev", JSON.stringify(diskNode(disk))],
      ...["-device", `virtio-blk-pci,drive=${disk.id},id=${disk.id}-device`],
    ]),
    ...nets.flatMap(({ id, tap, mac }) => [
      ...["-netdev", `tap,id=${id},ifname=${tap},script=no,downscript=no`],
      ...["-device", `virtio-net-pci,netdev=${id},mac=${mac},id=${id}-device`],
    ]),
  ];
}

function onPath(program: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder}/${program}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false; // not there, as most
    }
  });
}

export class GuestVm {
  readonly #qmp: QmpClient;
  readonly #processes: readonly RunningVmProcess[];
  #exchanges = 0;

  private constructor(qmp: QmpClient, processes: readonly RunningVmProcess[]) {
    this.#qmp = qmp;
    this.#processes = processes;
  }

  /** @param folder For sockets between the two processes; made here. @throws With QEMU's words. */
  static async boot(
    machine: GuestMachine,
    folder: string,
    told: (event: QmpEvent) => void,
  ): Promise<GuestVm> {
    await Deno.mkdir(folder, { mode: 0o700 });
    const signal = AbortSignal.timeout(READY_MS);
    const spawn = (role: string, argv: string[], socket: string): Promise<RunningVmProcess> =>
      startServing({
        ...{ role, argv: [...BELOW_ITS_SERVER, ...argv], stateDir: folder },
        ...{ socket: `${folder}/${socket}`, readyMs: READY_MS },
      }, signal);
    const helper = onPath("vhost-device-vsock");
    if (helper === undefined) throw new Error("vhost-device-vsock is not installed");
    const device = `guest-cid=3,socket=${folder}/vhost.sock,uds-path=${machine.vsockPath}`;
    const vsock = await spawn("vsock", [helper, "--vm", device], "vhost.sock");
    const qemu = await spawn("qemu", argumentsOf(machine, folder), "qmp.sock");
    const connection = await Deno.connect({ transport: "unix", path: `${folder}/qmp.sock` });
    const qmp = await QmpClient.open(connection, READY_MS);
    qmp.onEvent(told);
    return new GuestVm(qmp, [qemu, vsock]);
  }

  /** Resolves when QEMU has ended. */
  get ended(): Promise<void> {
    return (this.#processes[0]?.exited ?? Promise.reject(new Error("not booted"))).then(() => {});
  }

  async pause(): Promise<void> {
    await this.#qmp.execute("stop");
  }

  async resume(): Promise<void> {
    await this.#qmp.execute("cont");
  }

  /** Plugs a disk. @returns Its device number on the root bus. */
  async addDisk(disk: GuestDisk): Promise<number> {
    await this.#qmp.execute("blockdev-add", diskNode(disk));
    try {
      return await this.#plug("virtio-blk-pci", disk.id, { drive: disk.id });
    } catch (error) {
      await this.#qmp.execute("blockdev-del", { "node-name": disk.id });
      throw error;
    }
  }

  async addNet({ id, tap, mac }: GuestNet): Promise<number> {
    const backend = { type: "tap", id, ifname: tap, script: "no", downscript: "no" };
    await this.#qmp.execute("netdev_add", backend);
    return await this.#plug("virtio-net-pci", id, { netdev: id, mac });
  }

  /** Asks the guest to let go of a device, and does not wait for it: then its backend goes too. */
  async remove(id: string): Promise<void> {
    const device = `${id}-device`;
    const off = this.#qmp.onEvent(({ name, data }) => {
      if (name !== "DEVICE_DELETED" || data.device !== device) return;
      off();
      void this.#qmp.execute("blockdev-del", { "node-name": id }).catch(() =>
        this.#qmp.execute("netdev_del", { id })
      );
    });
    await this.#qmp.execute("device_del", { id: device });
  }

  /** Makes a disk's file so large, and tells the guest. */
  async resizeDisk(id: string, size: number): Promise<void> {
    await this.#qmp.execute("block_resize", { "node-name": id, size });
  }

  /** Puts another file behind a disk, and tells the guest of its size. */
  async exchange(id: string, path: string): Promise<void> {
    const node = `${id}-${this.#exchanges++}`;
    await this.#qmp.execute("blockdev-add", diskNode({ id, path, readonly: false }, node));
    const target = { path: `/machine/peripheral/${id}-device`, property: "drive" };
    const old = await this.#qmp.execute("qom-get", target);
    await this.#qmp.execute("qom-set", { ...target, value: node });
    const { size } = await Deno.stat(path);
    await this.#qmp.execute("block_resize", { "node-name": node, size });
    await this.#qmp.execute("blockdev-del", { "node-name": old });
  }

  async stop(): Promise<void> {
    for (const process of this.#processes) await process.kill();
  }

  async #plug(driver: string, id: string, more: Record<string, unknown>): Promise<number> {
    const before = await this.#slots();
    await this.#qmp.execute("device_add", { driver, id: `${id}-device`, bus: "pci.0", ...more });
    return (await this.#slots()).find((slot) => !before.includes(slot)) ?? -1;
  }

  async #slots(): Promise<number[]> {
    const buses = await this.#qmp.execute("query-pci") as { devices: { slot: number }[] }[];
    return buses[0]?.devices.map(({ slot }) => slot) ?? [];
  }
}
