import { formatIp } from "../ip_address.ts";
import { type NetlinkSocket, NLM } from "../netlink.ts";
import { attribute, Attributes, joined, NetlinkFormatError, viewOf } from "../netlink_message.ts";
import { addressLength, familyOf } from "./address.ts";
import { RTM } from "./constants.ts";

const NDA_DST = 1, NDA_LLADDR = 2;
/** struct ndmsg: family, pad, index, state, flags, type. */
const NDMSG_BYTES = 12;

/** States that somebody set by hand, and that the kernel does not find out by itself. Source: linux/neighbour.h. */
export const NUD = { NOARP: 0x40, PERMANENT: 0x80 } as const;
/** The entry answers for somebody else. */
export const NTF_PROXY = 0x08;

/** A neighbour whose hardware address is known. */
export interface Neighbor {
  readonly index: number;
  readonly address: Uint8Array;
  readonly hardware: Uint8Array;
  /** NUD_*. */
  readonly state: number;
  /** NTF_*. */
  readonly flags: number;
}

/** @returns `undefined` for other families, and for entries without addresses. @throws {NetlinkFormatError} */
export function parseNeighbor(body: Uint8Array): Neighbor | undefined {
  if (body.length < NDMSG_BYTES) throw new NetlinkFormatError("A neighbour that is too short");
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(NDMSG_BYTES));
  const address = attributes.bytes(NDA_DST), length = addressLength(view.getUint8(0));
  if (length === undefined || address?.length !== length) return undefined;
  return {
    index: view.getInt32(4, true),
    address,
    hardware: attributes.bytes(NDA_LLADDR) ?? new Uint8Array(),
    state: view.getUint16(8, true),
    flags: view.getUint8(10),
  };
}

export function encodeNeighbor(neighbor: Neighbor): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(NDMSG_BYTES);
  const view = viewOf(header);
  view.setUint8(0, familyOf(neighbor.address));
  view.setInt32(4, neighbor.index, true);
  view.setUint16(8, neighbor.state, true);
  view.setUint8(10, neighbor.flags);
  return joined(
    header,
    attribute(NDA_DST, neighbor.address),
    ...(neighbor.hardware.length > 0 ? [attribute(NDA_LLADDR, neighbor.hardware)] : []),
  );
}

/** All neighbours of IP in the socket's namespace. */
export function listNeighbors(netlink: NetlinkSocket): Neighbor[] {
  const bodies = netlink.dump("list neighbours", RTM.GETNEIGH, new Uint8Array(NDMSG_BYTES));
  return bodies.map(parseNeighbor).filter((neighbor) => neighbor !== undefined);
}

/** Adds a neighbour or replaces it. @throws {NetlinkError} */
export function putNeighbor(netlink: NetlinkSocket, neighbor: Neighbor): void {
  const what = `add neighbour ${formatIp(neighbor.address)}`;
  netlink.request(what, RTM.NEWNEIGH, NLM.CREATE | NLM.REPLACE, encodeNeighbor(neighbor));
}
