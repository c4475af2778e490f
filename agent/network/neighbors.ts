/** AddARPNeighbors. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { type Link, listLinks } from "../../common/linux/rtnetlink/link.ts";
import { type Neighbor, NUD, putNeighbor } from "../../common/linux/rtnetlink/neighbor.ts";
import type { ARPNeighbor } from "../../common/protocol/gen/kata/types_pb.ts";
import { ipFrom, macFrom } from "./convert.ts";
import { linkNamed } from "./links.ts";

/** Adds or replaces neighbours. @throws {RuntimeError} InvalidArgument, NotFound. @throws {NetlinkError} */
export function addNeighbors(neighbors: readonly ARPNeighbor[]): void {
  using netlink = NetlinkSocket.open();
  const links = listLinks(netlink);
  for (const neighbor of neighbors.map((each) => neighborFrom(each, links))) {
    putNeighbor(netlink, neighbor);
  }
}

/** @throws {RuntimeError} InvalidArgument, NotFound. */
export function neighborFrom(neighbor: ARPNeighbor, links: readonly Link[]): Neighbor {
  const address = neighbor.toIPAddress?.address;
  if (!address) throw new RuntimeError(Code.InvalidArgument, "A neighbour has no address");
  return {
    index: linkNamed(links, neighbor.device).index,
    address: ipFrom(address),
    hardware: neighbor.lladdr === "" ? new Uint8Array() : macFrom(neighbor.lladdr),
    state: neighbor.state === 0 ? NUD.PERMANENT : neighbor.state & 0xffff,
    flags: neighbor.flags & 0xff,
  };
}
