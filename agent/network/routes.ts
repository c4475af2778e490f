/** UpdateRoutes and ListRoutes. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { formatIp } from "../../common/linux/ip_address.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { familyOf } from "../../common/linux/rtnetlink/address.ts";
import { AF_INET, AF_INET6 } from "../../common/linux/rtnetlink/constants.ts";
import { type Link, listLinks } from "../../common/linux/rtnetlink/link.ts";
import {
  deleteRoute,
  describeDestination,
  listRoutes as readRoutes,
  type Nexthop,
  putRoutes,
  type Route,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTPROT,
} from "../../common/linux/rtnetlink/route.ts";
import {
  IPFamily,
  type Nexthop as NexthopMessage,
  type Route as RouteMessage,
  type RouteSchema,
} from "../../common/protocol/gen/kata/types_pb.ts";
import { optionalIp, prefixFrom } from "./convert.ts";
import { linkNamed } from "./links.ts";

type RouteInit = MessageInitShape<typeof RouteSchema>;

/** RTAX_MTU. */
const METRIC_MTU = 2;

/**
 * Adds or replaces routes, those without a gateway first. From a host that tells all of each route these are all
 * routes: others go.
 * @returns All routes, for a host that does not know them.
 * @throws {RuntimeError} InvalidArgument, NotFound: no such interface. @throws {NetlinkError}
 */
export function updateRoutes(messages: readonly RouteMessage[]): RouteInit[] {
  using netlink = NetlinkSocket.open();
  const links = listLinks(netlink);
  const routes = messages.map((message) => routeFrom(message, links));
  const whole = messages.length > 0 && messages.every(({ complete }) => complete);
  if (whole) removeOthers(netlink, routes);
  putRoutes(netlink, inOrder(routes));
  return whole ? [] : messagesOf(netlink, links);
}

/** A gateway must be reachable when its route is added. */
export function inOrder(routes: readonly Route[]): Route[] {
  const direct = ({ gateway, via, nexthops }: Route): boolean =>
    !gateway && !via && nexthops.length === 0;
  return [...routes.filter(direct), ...routes.filter((route) => !direct(route))];
}

function key(route: Route): string {
  const { family, table, priority, tos } = route;
  // Source: fib6_add(): a route of IPv6 without a metric gets 1024.
  const metric = priority || (family === AF_INET6 ? 1024 : 0);
  return [family, describeDestination(route), table, metric, tos].join(" ");
}

/** The kernel's own routes come and go with addresses, those of router advertisements with their routers. */
function isAnnounced({ protocol, table }: Route): boolean {
  return protocol === RTPROT.KERNEL || protocol === RTPROT.RA || table === RT_TABLE_LOCAL;
}

function removeOthers(netlink: NetlinkSocket, routes: readonly Route[]): void {
  const there = readRoutes(netlink).filter((route) => !isAnnounced(route));
  if (there.length === 0) return; // as at the start, when there may be thousands to come
  const wanted = new Set(routes.map(key));
  for (const route of there) if (!wanted.has(key(route))) deleteRoute(netlink, route);
}

/** @throws {RuntimeError} InvalidArgument, NotFound. */
export function routeFrom(message: RouteMessage, links: readonly Link[]): Route {
  const destination = message.dest === "" ? undefined : prefixFrom(message.dest);
  const source = message.from === "" ? undefined : prefixFrom(message.from);
  const gateway = optionalIp(message.gateway), via = optionalIp(message.via);
  const preferredSource = optionalIp(message.source);
  const index = message.device === "" ? undefined : linkNamed(links, message.device).index;
  const route = {
    family: familyIn(message, destination?.address ?? gateway),
    ...(destination && destination.length > 0 && { destination: destination.address }),
    destinationLength: destination?.length ?? 0,
    ...(source && { source: source.address }),
    sourceLength: source?.length ?? 0,
    ...(gateway && { gateway }),
    ...(via && { via }),
    ...(index !== undefined && { index }),
    ...(preferredSource && { preferredSource }),
    scope: message.scope & 0xff,
    flags: message.flags,
    metrics: metricsOf(message),
    nexthops: message.nexthops.map((hop) => nexthopFrom(hop, links)),
    ...restOf(message),
  };
  return checkFamily(route);
}

/** What only a host of our own tells; from others a plain route of the main table. */
function restOf(
  message: RouteMessage,
): Pick<Route, "table" | "protocol" | "type" | "tos" | "priority" | "preference"> {
  if (!message.complete) {
    return { table: RT_TABLE_MAIN, protocol: RTPROT.BOOT, type: RTN_UNICAST, tos: 0 };
  }
  const { table, protocol, type, tos, priority, preference } = message;
  return {
    table,
    protocol: protocol & 0xff,
    type: type & 0xff,
    tos: tos & 0xff,
    ...(priority !== 0 && { priority }),
    ...(preference !== 0 && { preference: preference & 0xff }),
  };
}

function familyIn({ family }: RouteMessage, address: Uint8Array | undefined): number {
  if (address) return familyOf(address);
  return family === IPFamily.v6 ? AF_INET6 : AF_INET;
}

/** The kernel reads as many bytes as the family says. @throws {RuntimeError} InvalidArgument. */
function checkFamily(route: Route): Route {
  const { family, destination, source, gateway, preferredSource, nexthops } = route;
  const addresses = [
    destination,
    source,
    gateway,
    preferredSource,
    ...nexthops.map((h) => h.gateway),
  ];
  if (addresses.every((address) => !address || familyOf(address) === family)) return route;
  throw new RuntimeError(
    Code.InvalidArgument,
    `The route to ${describeDestination(route)} mixes IPv4 and IPv6`,
  );
}

function metricsOf({ metrics, mtu }: RouteMessage): Map<number, number> {
  const map = new Map(metrics.map(({ type, value }) => [type, value]));
  if (mtu !== 0) map.set(METRIC_MTU, mtu);
  return map;
}

function nexthopFrom(hop: NexthopMessage, links: readonly Link[]): Nexthop {
  const gateway = optionalIp(hop.gateway), via = optionalIp(hop.via);
  return {
    index: linkNamed(links, hop.device).index,
    hops: hop.hops & 0xff,
    flags: hop.flags & 0xff,
    ...(gateway && { gateway }),
    ...(via && { via }),
  };
}

/** The routes of both families, without the local table. */
export function listRoutes(): RouteInit[] {
  using netlink = NetlinkSocket.open();
  return messagesOf(netlink, listLinks(netlink));
}

function messagesOf(netlink: NetlinkSocket, links: readonly Link[]): RouteInit[] {
  const names = new Map(links.map(({ index, name }) => [index, name]));
  return readRoutes(netlink).filter(({ table }) => table !== RT_TABLE_LOCAL)
    .map((route) => routeMessage(route, names));
}

/** A route as the host reads it, interfaces by name. */
export function routeMessage(route: Route, names: ReadonlyMap<number, string>): RouteInit {
  const text = (address: Uint8Array | undefined): string => address ? formatIp(address) : "";
  const { destination, source } = route;
  return {
    family: route.family === AF_INET6 ? IPFamily.v6 : IPFamily.v4,
    dest: destination ? describeDestination(route) : "",
    from: source ? `${formatIp(source)}/${route.sourceLength}` : "",
    gateway: text(route.gateway),
    via: text(route.via),
    device: names.get(route.index ?? 0) ?? "",
    source: text(route.preferredSource),
    scope: route.scope,
    flags: route.flags,
    mtu: route.metrics.get(METRIC_MTU) ?? 0,
    complete: true,
    table: route.table,
    priority: route.priority ?? 0,
    protocol: route.protocol,
    type: route.type,
    tos: route.tos,
    preference: route.preference ?? 0,
    metrics: [...route.metrics].map(([type, value]) => ({ type, value })),
    nexthops: route.nexthops.map(({ index, gateway, via, hops, flags }) => (
      { device: names.get(index) ?? "", gateway: text(gateway), via: text(via), hops, flags }
    )),
  };
}
