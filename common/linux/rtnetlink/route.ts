import { formatIp } from "../ip_address.ts";
import { type NetlinkSocket, NLM } from "../netlink.ts";
import {
  attribute,
  Attributes,
  joined,
  nested,
  NetlinkFormatError,
  parseAttributeList,
  u32Attribute,
  viewOf,
} from "../netlink_message.ts";
import { addressLength } from "./address.ts";
import { AF_INET, RTM } from "./constants.ts";

/** Source: linux/rtnetlink.h. */
const RTA = {
  DST: 1,
  SRC: 2,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  PREF: 20,
} as const;
/** struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags. */
const RTMSG_BYTES = 12;
/** struct rtnexthop: length, flags, hops, interface. */
const NEXTHOP_BYTES = 8;
/** Flags that a user may set; the others tell of the route's state. */
const RTNH_F_ONLINK = 4, RTNH_F_PERVASIVE = 2;
const SETTABLE_FLAGS = RTNH_F_ONLINK | RTNH_F_PERVASIVE;
const RTM_F_CLONED = 0x200;

export const RT_TABLE_MAIN = 254, RT_TABLE_LOCAL = 255;
/** Who made a route. */
export const RTPROT = { KERNEL: 2, BOOT: 3, STATIC: 4, RA: 9 } as const;
/** What becomes of packets; the rest are refused by the kernel in one way or another. */
export const RTN_UNICAST = 1;

/** One way of a route that has several. */
export interface Nexthop {
  readonly index: number;
  /** Its share, less one. */
  readonly hops: number;
  readonly flags: number;
  readonly gateway?: Uint8Array;
  /** The gateway of an IPv4 route is an IPv6 neighbour. */
  readonly via?: Uint8Array;
}

/** A route. */
export interface Route {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Absent: the default. */
  readonly destination?: Uint8Array;
  readonly destinationLength: number;
  /** Only packets from here; IPv6 alone has it. */
  readonly source?: Uint8Array;
  readonly sourceLength: number;
  readonly gateway?: Uint8Array;
  readonly via?: Uint8Array;
  /** The interface's index. */
  readonly index?: number;
  readonly preferredSource?: Uint8Array;
  /** The metric: the lowest wins. */
  readonly priority?: number;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  /** RTN_*: 1 unicast, 6 blackhole, 7 unreachable, 8 prohibit. */
  readonly type: number;
  readonly tos: number;
  /** RTNH_F_*. */
  readonly flags: number;
  /** RTAX_* -> value: 2 MTU, 8 advmss, 11 initcwnd, 14 initrwnd and so on. */
  readonly metrics: ReadonlyMap<number, number>;
  /** Router preference of IPv6. */
  readonly preference?: number;
  readonly nexthops: readonly Nexthop[];
}

/** RTA_VIA is an address family and an address. */
function parseVia(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes?.length === 18 ? bytes.subarray(2) : undefined;
}

function encodeVia(address: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + address.length);
  viewOf(bytes).setUint16(0, address.length === 4 ? AF_INET : 10, true);
  bytes.set(address, 2);
  return attribute(RTA.VIA, bytes);
}

function parseMetrics(bytes: Uint8Array | undefined): Map<number, number> {
  const list = bytes ? parseAttributeList(bytes) : [];
  return new Map(
    list.filter(({ value }) => value.length === 4).map((
      { type, value },
    ) => [type, viewOf(value).getUint32(0, true)]),
  );
}

function parseNexthops(bytes: Uint8Array | undefined): Nexthop[] {
  const hops: Nexthop[] = [];
  if (!bytes) return hops;
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at < NEXTHOP_BYTES ? 0 : view.getUint16(at, true);
    if (length < NEXTHOP_BYTES || at + length > bytes.length) {
      throw new NetlinkFormatError(`A next hop of ${length} bytes at ${at} of ${bytes.length}`);
    }
    const attributes = new Attributes(bytes.subarray(at + NEXTHOP_BYTES, at + length));
    const gateway = attributes.bytes(RTA.GATEWAY), via = parseVia(attributes.bytes(RTA.VIA));
    hops.push({
      index: view.getInt32(at + 4, true),
      hops: view.getUint8(at + 3),
      flags: view.getUint8(at + 2) & SETTABLE_FLAGS,
      ...(gateway && { gateway }),
      ...(via && { via }),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

function encodeNexthop({ index, hops, flags, gateway, via }: Nexthop): Uint8Array<ArrayBuffer> {
  const rest = joined(
    ...(gateway ? [attribute(RTA.GATEWAY, gateway)] : []),
    ...(via ? [encodeVia(via)] : []),
  );
  const header = new Uint8Array(NEXTHOP_BYTES);
  const view = viewOf(header);
  view.setUint16(0, NEXTHOP_BYTES + rest.length, true);
  view.setUint8(2, flags);
  view.setUint8(3, hops);
  view.setInt32(4, index, true);
  return joined(header, rest);
}

/**
 * @returns `undefined` for what is no route of IP's tables: other families, and the kernel's caches.
 * @throws {NetlinkFormatError}
 */
export function parseRoute(body: Uint8Array): Route | undefined {
  if (body.length < RTMSG_BYTES) throw new NetlinkFormatError("A route that is too short");
  const view = viewOf(body), family = view.getUint8(0), flags = view.getUint32(8, true);
  if (addressLength(family) === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = new Attributes(body.subarray(RTMSG_BYTES));
  const address = (type: number): Uint8Array | undefined => {
    const bytes = attributes.bytes(type);
    return bytes?.length === addressLength(family) ? bytes : undefined;
  };
  return withoutAbsent({
    family,
    destination: address(RTA.DST),
    destinationLength: view.getUint8(1),
    source: address(RTA.SRC),
    sourceLength: view.getUint8(2),
    gateway: address(RTA.GATEWAY),
    via: parseVia(attributes.bytes(RTA.VIA)),
    index: attributes.u32(RTA.OIF),
    preferredSource: address(RTA.PREFSRC),
    priority: attributes.u32(RTA.PRIORITY),
    table: attributes.u32(RTA.TABLE) ?? view.getUint8(4),
    protocol: view.getUint8(5),
    scope: view.getUint8(6),
    type: view.getUint8(7),
    tos: view.getUint8(3),
    flags: flags & SETTABLE_FLAGS,
    metrics: parseMetrics(attributes.bytes(RTA.METRICS)),
    preference: attributes.u8(RTA.PREF),
    nexthops: parseNexthops(attributes.bytes(RTA.MULTIPATH)),
  });
}

/** A field that is `undefined` is left out, as exactOptionalPropertyTypes wants it. */
function withoutAbsent(fields: { [K in keyof Route]: Route[K] | undefined }): Route {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as Route;
}

function routeHeader(route: Route): Uint8Array {
  const { flags, table } = route;
  return Uint8Array.of(
    route.family,
    route.destinationLength,
    route.sourceLength,
    route.tos,
    table > 255 ? 0 : table,
    route.protocol,
    route.scope,
    route.type,
    flags & 0xff,
    (flags >>> 8) & 0xff,
    (flags >>> 16) & 0xff,
    flags >>> 24,
  );
}

export function encodeRoute(route: Route): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [routeHeader(route)];
  const bytes = (type: number, value: Uint8Array | undefined): void => {
    if (value) parts.push(attribute(type, value));
  };
  const number = (type: number, value: number | undefined): void => {
    if (value !== undefined) parts.push(u32Attribute(type, value));
  };
  bytes(RTA.DST, route.destination);
  bytes(RTA.SRC, route.source);
  bytes(RTA.GATEWAY, route.gateway);
  if (route.via) parts.push(encodeVia(route.via));
  number(RTA.OIF, route.index);
  bytes(RTA.PREFSRC, route.preferredSource);
  number(RTA.PRIORITY, route.priority);
  number(RTA.TABLE, route.table);
  if (route.metrics.size > 0) {
    const metrics = [...route.metrics].map(([type, value]) => u32Attribute(type, value));
    parts.push(nested(RTA.METRICS, ...metrics));
  }
  if (route.nexthops.length > 0) {
    parts.push(attribute(RTA.MULTIPATH, joined(...route.nexthops.map(encodeNexthop))));
  }
  if (route.preference !== undefined) {
    parts.push(attribute(RTA.PREF, Uint8Array.of(route.preference)));
  }
  return joined(...parts);
}

/** All routes of all tables of the socket's namespace, both families. */
export function listRoutes(netlink: NetlinkSocket): Route[] {
  const bodies = netlink.dump("list routes", RTM.GETROUTE, new Uint8Array(RTMSG_BYTES));
  return bodies.map(parseRoute).filter((route) => route !== undefined);
}

/** As `10.0.0.0/24`, or `default`. */
export function describeDestination({ destination, destinationLength }: Route): string {
  return destination ? `${formatIp(destination)}/${destinationLength}` : "default";
}

/** Adds a route, or replaces the one to the same place. @throws {NetlinkError} ENETUNREACH: no way to the gateway. */
export function putRoute(netlink: NetlinkSocket, route: Route): void {
  const what = `add route ${describeDestination(route)}`;
  netlink.request(what, RTM.NEWROUTE, NLM.CREATE | NLM.REPLACE, encodeRoute(route));
}

/** {@linkcode putRoute} for many. @throws {NetlinkError} The first refusal. */
export function putRoutes(netlink: NetlinkSocket, routes: readonly Route[]): void {
  netlink.requestAll(routes.map((route) => ({
    what: () => `add route ${describeDestination(route)}`,
    type: RTM.NEWROUTE,
    flags: NLM.CREATE | NLM.REPLACE,
    body: encodeRoute(route),
  })));
}

/** @throws {NetlinkError} ESRCH: not there. */
export function deleteRoute(netlink: NetlinkSocket, route: Route): void {
  netlink.request(
    `remove route ${describeDestination(route)}`,
    RTM.DELROUTE,
    0,
    encodeRoute(route),
  );
}
