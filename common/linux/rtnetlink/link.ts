import { formatMac } from "../ip_address.ts";
import { type NetlinkSocket, NLM } from "../netlink.ts";
import {
  attribute,
  Attributes,
  joined,
  nested,
  NetlinkFormatError,
  textAttribute,
  u32,
  u32Attribute,
  viewOf,
} from "../netlink_message.ts";
import { AF_INET6, AF_UNSPEC, IFF, RTM } from "./constants.ts";

/** Source: linux/if_link.h. */
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  STATS64: 23,
  AF_SPEC: 26,
  NET_NS_FD: 28,
  NUM_TX_QUEUES: 31,
  LINK_NETNSID: 37,
} as const;
const IFLA_INFO_KIND = 1, IFLA_INFO_DATA = 2;
const IFLA_MACVLAN_MODE = 1, MACVLAN_MODE_PASSTHRU = 8;
const IFLA_INET6_ADDR_GEN_MODE = 8, IN6_ADDR_GEN_MODE_NONE = 1;
/** struct ifinfomsg: family, pad, type, index, flags, change. */
const IFINFO_BYTES = 16;
/** struct rtnl_link_stats64 begins with these, eight bytes each. */
const STATS = [
  "rxPackets",
  "txPackets",
  "rxBytes",
  "txBytes",
  "rxErrors",
  "txErrors",
  "rxDropped",
  "txDropped",
] as const;

export type LinkStats = Readonly<Record<typeof STATS[number], bigint>>;

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** What frames look like: ARPHRD_*. */
  readonly type: number;
  /** IFF_*. */
  readonly flags: number;
  /** As `02:00:00:00:00:01`; empty where it has none. */
  readonly mac: string;
  readonly mtu: number;
  /** What made it: `veth`, `macvlan`, `ipvlan`, `tun`; empty for hardware. */
  readonly kind: string;
  /** Index of the bridge or bond of which it is a port. */
  readonly master?: number;
  readonly stats: LinkStats | undefined;
}

function ifinfo(index: number, flags = 0, change = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(IFINFO_BYTES);
  const view = viewOf(bytes);
  view.setUint8(0, AF_UNSPEC);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

function parseStats(bytes: Uint8Array | undefined): LinkStats | undefined {
  if (!bytes || bytes.length < STATS.length * 8) return undefined;
  const view = viewOf(bytes);
  const entries = STATS.map((name, at) => [name, view.getBigUint64(at * 8, true)] as const);
  return Object.fromEntries(entries) as LinkStats;
}

/** @throws {NetlinkFormatError} */
export function parseLink(body: Uint8Array): Link {
  if (body.length < IFINFO_BYTES) throw new NetlinkFormatError("A link that is too short");
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(IFINFO_BYTES));
  const master = attributes.u32(IFLA.MASTER);
  return {
    index: view.getInt32(4, true),
    name: attributes.text(IFLA.IFNAME) ?? "",
    type: view.getUint16(2, true),
    flags: view.getUint32(8, true),
    mac: formatMac(attributes.bytes(IFLA.ADDRESS) ?? new Uint8Array()),
    mtu: attributes.u32(IFLA.MTU) ?? 0,
    kind: attributes.nested(IFLA.LINKINFO).text(IFLA_INFO_KIND) ?? "",
    ...(master !== undefined && { master }),
    stats: parseStats(attributes.bytes(IFLA.STATS64)),
  };
}

/** All interfaces of the socket's namespace. */
export function listLinks(netlink: NetlinkSocket): Link[] {
  return netlink.dump("list interfaces", RTM.GETLINK, ifinfo(0)).map(parseLink);
}

/** What to change of an interface; what is absent stays. */
export interface LinkChange {
  readonly up?: boolean;
  readonly arp?: boolean;
  readonly promiscuous?: boolean;
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: Uint8Array;
  /** The kernel gives it no IPv6 address by itself. */
  readonly withoutAutomaticIpv6?: boolean;
}

/** Changes an interface. @throws {NetlinkError} ENODEV, EBUSY, EINVAL. */
export function setLink(
  netlink: NetlinkSocket,
  what: string,
  index: number,
  change: LinkChange,
): void {
  const { withoutAutomaticIpv6, ...rest } = change;
  // The kernel would bring it up, and give it an address, before it reads this.
  if (withoutAutomaticIpv6) {
    netlink.request(what, RTM.SETLINK, 0, joined(ifinfo(index), noIpv6Addresses()));
  }
  netlink.request(what, RTM.SETLINK, 0, changeMessage(index, rest));
}

function changeMessage(index: number, change: LinkChange): Uint8Array {
  const { up, arp, promiscuous, name, mtu, mac } = change;
  const flag = (wanted: boolean | undefined, bit: number): [number, number] =>
    wanted === undefined ? [0, 0] : [wanted ? bit : 0, bit];
  const bits = [
    flag(up, IFF.UP),
    flag(arp === undefined ? undefined : !arp, IFF.NOARP),
    flag(promiscuous, IFF.PROMISC),
  ];
  const sum = (at: 0 | 1): number => bits.reduce((all, pair) => all | pair[at], 0);
  return joined(
    ifinfo(index, sum(0), sum(1)),
    ...(name === undefined ? [] : [textAttribute(IFLA.IFNAME, name)]),
    ...(mtu === undefined ? [] : [u32Attribute(IFLA.MTU, mtu)]),
    ...(mac === undefined ? [] : [attribute(IFLA.ADDRESS, mac)]),
  );
}

function noIpv6Addresses(): Uint8Array {
  const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_NONE));
  return nested(IFLA.AF_SPEC, nested(AF_INET6, mode));
}

/** Removes an interface. @throws {NetlinkError} ENODEV. */
export function deleteLink(netlink: NetlinkSocket, what: string, index: number): void {
  netlink.request(what, RTM.DELLINK, 0, ifinfo(index));
}

/** A macvtap that takes over all traffic of the interface below it. */
export interface NewMacvtap {
  readonly name: string;
  /** Index of the interface below, in the socket's namespace. */
  readonly lower: number;
  readonly mtu: number;
  readonly queues: number;
  /** Namespace in which it is to appear. */
  readonly netnsFd: number;
}

/** @throws {NetlinkError} EBUSY: the interface below is in use otherwise. EOPNOTSUPP: no macvtap in this kernel. */
export function addMacvtap(netlink: NetlinkSocket, what: string, device: NewMacvtap): void {
  const mode = attribute(IFLA_MACVLAN_MODE, u32(MACVLAN_MODE_PASSTHRU));
  const info = nested(
    IFLA.LINKINFO,
    textAttribute(IFLA_INFO_KIND, "macvtap"),
    nested(IFLA_INFO_DATA, mode),
  );
  const body = joined(
    ifinfo(0),
    textAttribute(IFLA.IFNAME, device.name),
    u32Attribute(IFLA.LINK, device.lower),
    u32Attribute(IFLA.MTU, device.mtu),
    u32Attribute(IFLA.NUM_TX_QUEUES, device.queues),
    u32Attribute(IFLA.NET_NS_FD, device.netnsFd),
    info,
  );
  netlink.request(what, RTM.NEWLINK, NLM.CREATE | NLM.EXCL, body);
}
