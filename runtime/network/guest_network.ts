/** The pod's network in the words of the agent's protocol. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { formatIp, formatMac } from "../../common/linux/ip_address.ts";
import type { Address } from "../../common/linux/rtnetlink/address.ts";
import { AF_INET6 } from "../../common/linux/rtnetlink/constants.ts";
import type { Link } from "../../common/linux/rtnetlink/link.ts";
import type { Neighbor } from "../../common/linux/rtnetlink/neighbor.ts";
import {
  describeDestination,
  type Nexthop,
  type Route,
} from "../../common/linux/rtnetlink/route.ts";
import {
  type ARPNeighborSchema,
  type InterfaceSchema,
  type IPAddressSchema,
  IPFamily,
  type NexthopSchema,
  type RouteSchema,
} from "../../common/protocol/gen/kata/types_pb.ts";
import type { PodInterface } from "./scan.ts";

export type InterfaceMessage = MessageInitShape<typeof InterfaceSchema>;
export type RouteMessage = MessageInitShape<typeof RouteSchema>;
export type NeighborMessage = MessageInitShape<typeof ARPNeighborSchema>;
/** Interfaces' names by their indexes. */
export type Names = ReadonlyMap<number, string>;

/** RTAX_MTU. */
const METRIC_MTU = 2;

/** A name whose bytes are no text would be another one in the guest: it gets a plain one. */
export function guestName({ name }: Link): string {
  return name.replaceAll("\ufffd", "_");
}

export function namesOf(interfaces: readonly PodInterface[]): Names {
  return new Map(interfaces.map(({ link }) => [link.index, guestName(link)]));
}

function text(address: Uint8Array | undefined): string {
  return address ? formatIp(address) : "";
}

function familyOf(length: number): IPFamily {
  return length === 16 ? IPFamily.v6 : IPFamily.v4;
}

function addressMessage(
  { address, prefixLength, flags, scope, peer, broadcast }: Address,
): MessageInitShape<typeof IPAddressSchema> {
  return {
    family: familyOf(address.length),
    address: formatIp(address),
    mask: String(prefixLength),
    flags,
    scope,
    peer: text(peer),
    broadcast: text(broadcast),
  };
}

/** @param devicePath Where the guest finds the card, when the VMM knows; empty: by its hardware address. */
export function interfaceMessage(
  { link, addresses }: PodInterface,
  devicePath: string,
): InterfaceMessage {
  const name = guestName(link);
  return {
    device: name,
    name,
    IPAddresses: addresses.map(addressMessage),
    mtu: BigInt(link.mtu),
    hwAddr: link.mac,
    devicePath,
    type: link.kind,
    rawFlags: link.flags,
  };
}

function nexthopMessage(
  { index, gateway, via, hops, flags }: Nexthop,
  names: Names,
): MessageInitShape<typeof NexthopSchema> {
  const device = names.get(index) ?? "";
  return { device, gateway: text(gateway), via: text(via), hops, flags };
}

export function routeMessage(route: Route, names: Names): RouteMessage {
  const { destination, source, index } = route;
  return {
    family: route.family === AF_INET6 ? IPFamily.v6 : IPFamily.v4,
    dest: destination ? describeDestination(route) : "",
    from: source ? `${formatIp(source)}/${route.sourceLength}` : "",
    gateway: text(route.gateway),
    via: text(route.via),
    device: index === undefined ? "" : names.get(index) ?? "",
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
    nexthops: route.nexthops.map((hop) => nexthopMessage(hop, names)),
  };
}

export function neighborMessage(neighbor: Neighbor, names: Names): NeighborMessage {
  const { address, hardware, index, state, flags } = neighbor;
  return {
    toIPAddress: { family: familyOf(address.length), address: formatIp(address), mask: "" },
    device: names.get(index) ?? "",
    lladdr: formatMac(hardware),
    state,
    flags,
  };
}
