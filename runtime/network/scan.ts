import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { NetlinkSocket } from "../../common/linux/netlink.ts";
import { type Address, IFA_F, listAddresses } from "../../common/linux/rtnetlink/address.ts";
import { ARPHRD_ETHER, IFF } from "../../common/linux/rtnetlink/constants.ts";
import { type Link, listLinks } from "../../common/linux/rtnetlink/link.ts";
import { listNeighbors, type Neighbor, NUD } from "../../common/linux/rtnetlink/neighbor.ts";
import {
  listRoutes,
  type Route,
  RT_TABLE_LOCAL,
  RTPROT,
} from "../../common/linux/rtnetlink/route.ts";

/** An interface of the pod's namespace that the guest is to have. */
export interface PodInterface {
  readonly link: Link;
  readonly addresses: readonly Address[];
}

/** What the pod's namespace holds at one moment, as far as the guest is to have it. */
export interface NetworkScan {
  readonly interfaces: readonly PodInterface[];
  readonly routes: readonly Route[];
  readonly neighbors: readonly Neighbor[];
}

/** More would not fit one message to the guest. */
const MAX_ROUTES = 16_384, MAX_NEIGHBORS = 16_384;
/** Scope of addresses that are the interface's own on its link. */
const SCOPE_LINK = 253;

/** The name of the tap device that stands for an interface; such devices are ours and not the pod's. */
export function tapName(index: number): string {
  return `kata-t${index}`;
}

/** Whether an interface is such a tap device. */
export function isOurTap({ name, kind }: Link): boolean {
  return kind === "tun" && /^kata-t\d+$/.test(name);
}

/** Every namespace has idle tunnel devices that nobody asked for: neither up nor with an address. */
function isWanted(link: Link, addresses: readonly Address[]): boolean {
  if (link.type !== ARPHRD_ETHER || (link.flags & IFF.LOOPBACK) !== 0 || isOurTap(link)) {
    return false;
  }
  return (link.flags & IFF.UP) !== 0 || addresses.length > 0;
}

/** Interfaces that take over what their ports receive. */
const WITH_PORTS = new Set(["bridge", "bond", "team"]);

/** A port's frames belong to the interface that it is a port of, which the guest gets. */
function isPort({ master }: Link, links: readonly Link[]): boolean {
  return links.some(({ index, kind }) => index === master && WITH_PORTS.has(kind));
}

/** The guest's kernel makes its own of these from the same hardware address. */
function isOwn({ address, scope }: Address): boolean {
  return address.length === 16 && scope === SCOPE_LINK;
}

/** The guest's kernel makes the same routes from the addresses, and hears its routers itself. */
function isMade({ protocol, table }: Route): boolean {
  return protocol === RTPROT.KERNEL || protocol === RTPROT.RA || table === RT_TABLE_LOCAL;
}

/** Routes by interfaces that the guest does not have lead nowhere. */
function isPossible({ index, nexthops }: Route, known: ReadonlySet<number>): boolean {
  return (index === undefined || known.has(index)) && nexthops.every((hop) => known.has(hop.index));
}

/** Only what somebody set by hand; the rest the guest finds out itself. */
function isSet({ state, flags }: Neighbor): boolean {
  return (state & NUD.PERMANENT) !== 0 || flags !== 0;
}

function bounded<T>(list: readonly T[], most: number, what: string): readonly T[] {
  if (list.length <= most) return list;
  throw new RuntimeError(
    Code.ResourceExhausted,
    `Cannot give the guest ${list.length} ${what}: ${most} are the most`,
  );
}

/**
 * Reads the pod's network.
 * @throws {RuntimeError} ResourceExhausted. @throws {NetlinkError}
 */
export function scanNetwork(netlink: NetlinkSocket): NetworkScan {
  const addresses = listAddresses(netlink)
    .filter((address) => !isOwn(address) && (address.flags & IFA_F.PERMANENT) !== 0);
  const links = listLinks(netlink);
  const interfaces = links.filter((link) => !isPort(link, links))
    .map((link) => ({ link, addresses: addresses.filter(({ index }) => index === link.index) }))
    .filter(({ link, addresses }) => isWanted(link, addresses));
  const known = new Set(interfaces.map(({ link }) => link.index));
  if (known.size === 0) return { interfaces, routes: [], neighbors: [] };
  const routes = listRoutes(netlink).filter((route) => !isMade(route) && isPossible(route, known));
  const neighbors = listNeighbors(netlink).filter((each) => known.has(each.index) && isSet(each));
  return {
    interfaces,
    routes: bounded(routes, MAX_ROUTES, "routes"),
    neighbors: bounded(neighbors, MAX_NEIGHBORS, "neighbours"),
  };
}
