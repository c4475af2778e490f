import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { O, open, OwnedFd } from "../../common/linux/fd.ts";
import { deleteLink, type Link, listLinks, setLink } from "../../common/linux/rtnetlink/link.ts";
import {
  limitRate,
  redirect,
  removeRateLimit,
  removeRedirect,
} from "../../common/linux/rtnetlink/traffic.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { createTap, keepTap } from "../../common/linux/tap.ts";
import type { Net } from "../hypervisor/device.ts";
import { addMacvtapFor, removeMacvtap } from "./macvtap.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { tapName } from "./scan.ts";

/** How interfaces are tied to the VM. Bits per second of 0 mean no limit. */
export interface LinkOptions {
  /** `tcfilter`: by a tap to and from which all traffic is redirected. `macvtap`: by one on top of the interface. */
  readonly model: "tcfilter" | "macvtap";
  readonly queues: number;
  /** How the VMM takes a tap device. By name it can be neither a macvtap nor one of several queues. */
  readonly tapBy: "descriptor" | "name";
  /** Let the host's kernel move the packets, where it can. */
  readonly vhost: boolean;
  readonly receiveBitsPerSecond: number;
  readonly sendBitsPerSecond: number;
  /** Names what is made outside of the pod's namespace. */
  readonly key: string;
}

/** An interface of the pod and the network card that stands for it in the VM. Disposing of it unties them. */
export class PodLink implements Disposable {
  readonly #undo: DisposableStack;
  readonly #fds: DisposableStack;

  private constructor(
    readonly link: Link,
    readonly net: Net,
    undo: DisposableStack,
    fds: DisposableStack,
  ) {
    this.#undo = undo;
    this.#fds = fds;
  }

  /** @throws {RuntimeError} Unavailable, naming the interface; nothing of it is left then. */
  static tie(namespace: NetworkNamespace, link: Link, options: LinkOptions): PodLink {
    using undo = new DisposableStack();
    using fds = new DisposableStack();
    try {
      const tap = usesMacvtap(link, options)
        ? tieByMacvtap(namespace, link, options, undo)
        : tieByFilter(namespace, link, options, undo);
      for (const fd of tap.fds) fds.use(fd);
      const net = cardFor(link, tap, options, fds);
      return new PodLink(link, net, undo.move(), fds.move());
    } catch (cause) {
      throw new RuntimeError(
        Code.Unavailable,
        `Cannot connect interface ${JSON.stringify(link.name)} to the VM: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  /** The VMM has its own copies of the descriptors: the tap lives as long as it does. */
  handedOver(): void {
    this.#fds.dispose();
  }

  [Symbol.dispose](): void {
    this.#fds.dispose();
    this.#undo.dispose();
  }
}

interface Tap {
  readonly name: string;
  readonly fds: OwnedFd[];
}

/** @param fds Owns what is open. */
function cardFor(
  link: Link,
  tap: Tap,
  { tapBy, vhost, queues }: LinkOptions,
  fds: DisposableStack,
): Net {
  const card = { kind: "net", id: `net-${link.index}`, mac: link.mac, tap: tap.name } as const;
  if (tapBy === "name") {
    for (const fd of tap.fds) fd.close(); // one that is open here cannot be opened by the VMM
    return card;
  }
  const vhostFds = vhost ? openVhost(queues).map((fd) => fds.use(fd).fd) : [];
  return {
    ...card,
    fds: tap.fds.map(({ fd }) => fd),
    ...(vhostFds.length > 0 && { vhostFds }),
  };
}

/** A macvtap must be the first on top of an interface, and one on a macvlan would be on what lies below that. */
function usesMacvtap({ kind }: Link, { model, tapBy }: LinkOptions): boolean {
  return model === "macvtap" && tapBy === "descriptor" && kind !== "macvlan" && kind !== "ipvlan" &&
    kind !== "tun";
}

function tieByFilter(
  namespace: NetworkNamespace,
  link: Link,
  { queues, tapBy, receiveBitsPerSecond, sendBitsPerSecond }: LinkOptions,
  undo: DisposableStack,
): Tap {
  const { netlink } = namespace, name = tapName(link.index), byName = tapBy === "name";
  const fds = namespace.inside(() => createTap(name, byName ? 1 : queues));
  using unless = new DisposableStack();
  for (const fd of fds) unless.use(fd);
  const tap = listLinks(netlink).find((each) => each.name === name);
  if (!tap) throw new Error(`its tap device "${name}" has gone`);
  if (byName) {
    undo.defer(() => deleteQuietly(namespace, name, tap.index));
    for (const { fd } of fds) keepTap(fd);
  }
  setLink(netlink, `set up "${name}"`, tap.index, {
    up: true,
    mtu: link.mtu,
    withoutAutomaticIpv6: true,
  });
  // A namespace of our own ends with everything in it.
  if (!namespace.made) undo.defer(() => removeRedirect(netlink, link.index));
  redirect(netlink, link.index, tap.index);
  redirect(netlink, tap.index, link.index);
  if (receiveBitsPerSecond > 0) limitRate(netlink, tap.index, receiveBitsPerSecond);
  if (sendBitsPerSecond > 0) {
    undo.defer(() => removeRateLimit(netlink, link.index));
    limitRate(netlink, link.index, sendBitsPerSecond);
  }
  unless.move();
  return { name, fds };
}

function deleteQuietly({ netlink }: NetworkNamespace, name: string, index: number): void {
  try {
    deleteLink(netlink, `remove "${name}"`, index);
  } catch (error) {
    if (!isErrno(error, "ENODEV")) throw error; // it has gone with its namespace
  }
}

function tieByMacvtap(
  namespace: NetworkNamespace,
  link: Link,
  options: LinkOptions,
  undo: DisposableStack,
): Tap {
  const { name, fds } = addMacvtapFor(namespace, link, options);
  undo.defer(() => removeMacvtap(name));
  return { name, fds };
}

/** None where the host's kernel has no vhost-net; the VMM moves the packets then. */
function openVhost(queues: number): OwnedFd[] {
  using undo = new DisposableStack();
  try {
    const fds = Array.from(
      { length: queues },
      () => undo.use(new OwnedFd(open("/dev/vhost-net", O.RDWR))),
    );
    undo.move();
    return fds;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV", "ENXIO", "EACCES", "EPERM")) return [];
    throw error;
  }
}
