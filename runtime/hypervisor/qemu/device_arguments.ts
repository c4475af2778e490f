import { unreachable } from "../../../common/base/errors.ts";
import type { Device, Disk, Net, SerialChannel, Share9p, ShareVirtioFs } from "../device.ts";
import type { MachineProfile } from "./machine.ts";
import type { PlacedNet } from "./net_slots.ts";

/** Id of the virtio-scsi controller that hot-plugged disks go to. */
export const SCSI_BUS = "scsi0";

/** Most PCIe slots: cards that are there from the start come behind them. */
export const MAX_ROOT_PORTS = 8;

/** Id of a PCIe slot that stands ready, and its device number on the root bus. */
export function rootPort(index: number): { id: string; slot: number } {
  return { id: `rp${index}`, slot: 0x10 + index };
}

/** Every device's arguments; `childFd` says which number a descriptor of ours has inside QEMU. */
export function deviceArguments(
  device: Exclude<Device, Net> | PlacedNet,
  { virtioBus }: MachineProfile,
  childFd: (fd: number) => number,
): string[] {
  const virtio = (name: string, rest = "") => ["-device", `virtio-${name}-${virtioBus}${rest}`];
  switch (device.kind) {
    case "share-9p":
      return share9p(device, virtio);
    case "share-virtio-fs":
      return shareVirtioFs(device, virtioBus);
    case "disk":
      return disk(device, virtio);
    case "vsock":
      return [
        "-device",
        `vhost-vsock-${virtioBus},guest-cid=${device.cid},vhostfd=${childFd(device.vhostFd)}`,
      ];
    case "vhost-user-vsock":
      return [
        ...["-chardev", `socket,id=vsock0,path=${quoted(device.socketPath)}`],
        ...["-device", `vhost-user-vsock-${virtioBus},chardev=vsock0`],
      ];
    case "serial-channel":
      return serialChannel(device, virtio, childFd);
    case "net":
      return net(device, virtio, childFd);
    case "rng":
      return [
        ...["-object", `rng-random,id=rng0,filename=${quoted(device.source)}`],
        ...virtio("rng", ",rng=rng0"),
      ];
    case "balloon":
      return virtio("balloon", ",id=balloon0,free-page-reporting=on");
    default:
      return unreachable(device);
  }
}

type Virtio = (name: string, rest?: string) => string[];

/**
 * `passthrough` stores owner and mode as the guest gives them, which a container's root file system needs; `remap`
 * keeps inode numbers of several host file systems apart. Source: QEMU, hw/9pfs documentation.
 */
function share9p({ tag, path, readonly, securityModel }: Share9p, virtio: Virtio): string[] {
  const options = `security_model=${securityModel},multidevs=remap,readonly=${
    readonly ? "on" : "off"
  }`;
  return [
    ...["-fsdev", `local,id=fs-${tag},path=${quoted(path)},${options}`],
    ...virtio("9p", `,fsdev=fs-${tag},mount_tag=${tag}`),
  ];
}

function shareVirtioFs(
  { tag, socketPath, queueSize }: ShareVirtioFs,
  virtioBus: MachineProfile["virtioBus"],
): string[] {
  const device = `vhost-user-fs-${virtioBus},chardev=fs-${tag},tag=${tag},queue-size=${queueSize}`;
  return ["-chardev", `socket,id=fs-${tag},path=${quoted(socketPath)}`, "-device", device];
}

function disk({ id, path, source, readonly }: Disk, virtio: Virtio): string[] {
  const mode = readonly ? "on" : "off";
  const file = `file.driver=${blockDriver(source)},file.filename=${
    quoted(path)
  },file.read-only=${mode},file.locking=off`;
  return [
    ...["-blockdev", `driver=raw,node-name=${id},read-only=${mode},${file}`],
    ...virtio("blk", `,drive=${id},id=${id}-device`),
  ];
}

function serialChannel(
  { name, listenFd }: SerialChannel,
  virtio: Virtio,
  childFd: (fd: number) => number,
): string[] {
  return [
    ...virtio("serial", ",id=serial0"),
    ...["-chardev", listeningSocket("channel0", childFd(listenFd))],
    ...["-device", `virtserialport,bus=serial0.0,chardev=channel0,name=${name}`],
  ];
}

/** Without option ROM, which would only serve to boot from the network. */
function net(device: PlacedNet, virtio: Virtio, childFd: (fd: number) => number): string[] {
  const { id, mac, address, fds } = device;
  const place = address === undefined ? "" : `,addr=${address},multifunction=on`;
  const options = `netdev=${id},mac=${quoted(mac)},romfile=${
    queueOptions(fds?.length ?? 1)
  }${place}`;
  return [
    ...["-netdev", `tap,id=${id},${tapOptions(device, childFd)}`],
    ...virtio("net", `,${options}`),
  ];
}

/** The vectors are one for each direction of each queue, one for changes of the configuration, one for control. */
function queueOptions(queues: number): string {
  return queues > 1 ? `,mq=on,vectors=${2 * queues + 2}` : "";
}

function tapOptions(
  { tap, fds, vhostFds = [] }: Net,
  childFd: (fd: number) => number,
): string {
  if (!fds) return `ifname=${quoted(tap)},script=no,downscript=no`;
  const list = (name: string, from: readonly number[]): string =>
    `${name}${from.length > 1 ? "s" : ""}=${from.map(childFd).join(":")}`;
  return list("fd", fds) + (vhostFds.length > 0 ? `,vhost=on,${list("vhostfd", vhostFds)}` : "");
}

/** A character device on a socket that already listens: who connects early waits in its backlog. */
export function listeningSocket(id: string, fd: number): string {
  return `socket,id=${id},fd=${fd},server=on,wait=off`;
}

/** A value within a comma-separated argument. Source: qemu(1), "a comma in the value must be doubled". */
export function quoted(value: string): string {
  return value.replaceAll(",", ",,");
}

/** QEMU's name for how a disk's bytes are reached. */
export function blockDriver(source: Disk["source"]): string {
  return source === "file" ? "file" : "host_device";
}
