/** The machine behind a conforming API server, as plain data and as arguments of the QEMU that runs it. */
import { TCG_KERNEL_PARAMS } from "../../runtime/hypervisor/guest_kernel_params.ts";

/** A disk, a card or a share that is there from the start. */
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
export interface GuestFs {
  readonly id: string;
  readonly tag: string;
  readonly socket: string;
  readonly queueSize: number;
}

/** The machine, as either interface describes it. */
export interface GuestMachine {
  readonly kernel: string;
  readonly initrd?: string | undefined;
  readonly commandLine: string;
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  /** What can be added to that. */
  readonly hotMemoryMiB: number;
  readonly disks: readonly GuestDisk[];
  readonly nets: readonly GuestNet[];
  readonly shares: readonly GuestFs[];
  /** Where the host reaches the guest's vsock. */
  readonly vsockPath: string;
  /** Our descriptor that takes what the guest writes to its serial line. */
  readonly consoleFd: number;
}

/** Names of devices that QMP calls speak of. */
export const VSOCK_ID = "vsock-device", VIRTIO_MEM_ID = "memory-device";
/** QEMU's descriptor for what the guest says. */
export const CONSOLE_FD = 3;
/** Where the guest's memory is. */
export const RAM_ID = "ram";
/** What Linux plugs at least, so that what is asked for is what comes. */
const BLOCK_MIB = 128;

export function deviceId(id: string): string {
  return `${id}-device`;
}

/** A disk's block node. @param node Its name, where it is not the disk's. */
export function diskNode(
  { id, path, readonly }: GuestDisk,
  node = id,
): Record<string, unknown> {
  const driver = isDevice(path) ? "host_device" : "file";
  const file = { driver, filename: path, "read-only": readonly, locking: "off" };
  return { driver: "raw", "node-name": node, "read-only": readonly, file };
}

function isDevice(path: string): boolean {
  try {
    return Deno.statSync(path).isBlockDevice === true;
  } catch {
    return false; // QEMU says what is wrong with it
  }
}

/** The vsock is no part of what is saved: the program behind it cannot be. So a machine that goes on has it plugged. */
export interface Incoming {
  /** A copy of the saved memory, which the machine may write to. */
  readonly memory: string;
}

/** QEMU's command line. @param folder For sockets of its own. */
export function qemuArguments(
  machine: GuestMachine,
  folder: string,
  incoming?: Incoming,
): string[] {
  const { kernel, initrd, vcpus, maxVcpus, disks, nets, shares } = machine;
  const commandLine = [
    ...machine.commandLine.split(" ").filter((word) => word !== "pci=off"), // here its devices are on PCI
    ...TCG_KERNEL_PARAMS,
    ...(maxVcpus > vcpus ? [`maxcpus=${vcpus}`] : []), // an emulator has all from the start
  ];
  return [
    ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-machine", `pc,usb=off,vmport=off,hpet=off,graphics=off,memory-backend=${RAM_ID}`],
    ...["-accel", "tcg,tb-size=64", "-cpu", "max,-erms,-fsrm"],
    ...["-smp", `${maxVcpus}`, "-object", memoryBackend(machine, incoming)],
    ...memoryArguments(machine),
    ...["-qmp", `unix:${folder}/qmp.sock,server=on,wait=off`],
    ...[
      "-add-fd",
      `fd=${CONSOLE_FD},set=1`,
      "-chardev",
      "file,id=console,path=/dev/fdset/1,append=on",
    ],
    ...["-serial", "chardev:console"],
    ...["-kernel", kernel, ...(initrd === undefined ? [] : ["-initrd", initrd])],
    ...["-append", commandLine.join(" "), "-device", "virtio-rng-pci"],
    ...(incoming ? ["-incoming", "defer"] : []),
    ...disks.flatMap((disk) => [
      ...["-blockdev", JSON.stringify(diskNode(disk))],
      ...["-device", `virtio-blk-pci,drive=${disk.id},id=${deviceId(disk.id)}`],
    ]),
    ...nets.flatMap(({ id, tap, mac }) => [
      ...["-netdev", `tap,id=${id},ifname=${tap},script=no,downscript=no`],
      ...["-device", `virtio-net-pci,netdev=${id},mac=${mac},id=${deviceId(id)},romfile=`],
    ]),
    ...shares.flatMap(({ id, tag, socket, queueSize }) => [
      ...["-chardev", `socket,id=${id},path=${socket}`, "-device"],
      `vhost-user-fs-pci,chardev=${id},tag=${tag},queue-size=${queueSize},id=${deviceId(id)}`,
    ]),
    ...["-chardev", `socket,id=vs,path=${folder}/vhost.sock`],
    // Last, so that without it the others have the same slots.
    ...(incoming ? [] : ["-device", `vhost-user-vsock-pci,chardev=vs,id=${VSOCK_ID}`]),
  ];
}

function memoryBackend({ memoryMiB }: GuestMachine, incoming: Incoming | undefined): string {
  const kind = incoming
    ? `memory-backend-file,mem-path=${incoming.memory}`
    : "memory-backend-memfd";
  return `${kind},share=on,id=${RAM_ID},size=${memoryMiB}M`;
}

function memoryArguments({ memoryMiB, hotMemoryMiB }: GuestMachine): string[] {
  if (hotMemoryMiB === 0) return ["-m", `${memoryMiB}M`];
  return [
    ...["-m", `${memoryMiB}M,maxmem=${memoryMiB + hotMemoryMiB}M`, "-object"],
    `memory-backend-memfd,share=on,reserve=off,id=hot,size=${hotMemoryMiB}M`,
    ...["-device", `virtio-mem-pci,id=${VIRTIO_MEM_ID},memdev=hot,block-size=${BLOCK_MIB}M`],
  ];
}
