import { O, open, OwnedFd } from "../../common/linux/fd.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import {
  addMacvtap,
  deleteLink,
  type Link,
  listLinks,
  setLink,
} from "../../common/linux/rtnetlink/link.ts";
import { limitRate } from "../../common/linux/rtnetlink/traffic.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import type { NetworkNamespace } from "./namespace.ts";

/** Longest name of an interface. Source: IFNAMSIZ less its NUL. */
const MAX_NAME = 15;
/** How many characters of a sandbox's key, its digest, are in the names. */
const DIGEST = 8;

/** A macvtap in the host's namespace: there its device file is found, as /sys and /dev are the host's. */
export interface Macvtap {
  readonly name: string;
  readonly fds: OwnedFd[];
}

export interface MacvtapOptions {
  /** The sandbox's. */
  readonly key: string;
  readonly queues: number;
  /** 0: no limit. */
  readonly sendBitsPerSecond: number;
}

/** What the names of all macvtaps of a sandbox begin with. */
function prefixOf(key: string): string {
  return `km${key.slice(-DIGEST)}`;
}

/**
 * Puts a macvtap on top of an interface of the pod, which takes over all of its traffic.
 * @throws {NetlinkError} @throws {SyscallError}
 */
export function addMacvtapFor(
  namespace: NetworkNamespace,
  { index: lower, mtu }: Link,
  { key, queues, sendBitsPerSecond }: MacvtapOptions,
): Macvtap {
  using undo = new DisposableStack();
  const name = `${prefixOf(key)}${lower}`.slice(0, MAX_NAME);
  using home = new OwnedFd(open("/proc/self/ns/net", O.RDONLY));
  using netlink = NetlinkSocket.open();
  const made = { name, lower, mtu, queues, netnsFd: home.fd };
  addMacvtap(namespace.netlink, `add "${name}"`, made);
  undo.defer(() => removeMacvtap(name));
  const link = listLinks(netlink).find((each) => each.name === name);
  if (!link) throw new Error(`its macvtap "${name}" has gone`);
  setLink(netlink, `set up "${name}"`, link.index, { up: true, withoutAutomaticIpv6: true });
  if (sendBitsPerSecond > 0) limitRate(netlink, link.index, sendBitsPerSecond);
  const fds = openQueues(link, queues);
  undo.move();
  return { name, fds };
}

function openQueues({ name, index }: Link, queues: number): OwnedFd[] {
  const path = `/dev/tap${index}`;
  const number = Deno.readTextFileSync(`/sys/class/net/${name}/macvtap/tap${index}/dev`).trim();
  const { rdev } = Deno.statSync(path);
  // Interfaces of another namespace have the same numbers, and the first of them got the file.
  if (deviceNumber(rdev ?? 0) !== number) {
    throw new Error(`"${path}" is not its macvtap, but that of another network namespace`);
  }
  using undo = new DisposableStack();
  const fds = Array.from(
    { length: queues },
    () => undo.use(new OwnedFd(open(path, O.RDWR | O.NONBLOCK))),
  );
  undo.move();
  return fds;
}

/** As sysfs writes it. Source: glibc's makedev: the low 8 bits of the minor number are the lowest. */
function deviceNumber(rdev: number): string {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev / 2 ** 12) & 0xfff00);
  return `${major}:${minor}`;
}

/** Removes one; one that has gone with the interface below it is no error. */
export function removeMacvtap(name: string): void {
  using netlink = NetlinkSocket.open();
  const link = listLinks(netlink).find((each) => each.name === name);
  if (!link) return;
  try {
    deleteLink(netlink, `remove "${name}"`, link.index);
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error;
  }
}

/** Removes all of a sandbox, whoever made them. */
export function removeMacvtaps(key: string): void {
  using netlink = NetlinkSocket.open();
  const ours = listLinks(netlink).filter(({ name, kind }) =>
    kind === "macvtap" && name.startsWith(prefixOf(key))
  );
  for (const { name } of ours) removeMacvtap(name);
}
