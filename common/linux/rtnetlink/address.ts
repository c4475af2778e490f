import { formatIp } from "../ip_address.ts";
import { type NetlinkSocket, NLM } from "../netlink.ts";
import {
  attribute,
  Attributes,
  joined,
  NetlinkFormatError,
  u32Attribute,
  viewOf,
} from "../netlink_message.ts";
import { AF_INET, AF_INET6, RTM } from "./constants.ts";

/** Source: linux/if_addr.h. */
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8, RT_PRIORITY: 9 } as const;
/** Flags of an address. Source: linux/if_addr.h. */
export const IFA_F = {
  NODAD: 0x02,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  NOPREFIXROUTE: 0x200,
} as const;
/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
const IFADDR_BYTES = 8;

/** An IP address of an interface. */
export interface Address {
  readonly index: number;
  readonly address: Uint8Array;
  readonly prefixLength: number;
  /** The other end of a point-to-point link. */
  readonly peer?: Uint8Array;
  readonly broadcast?: Uint8Array;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  readonly scope: number;
  /** IFA_F_*. */
  readonly flags: number;
}

/** @returns `undefined` for families other than IP. @throws {NetlinkFormatError} */
export function parseAddress(body: Uint8Array): Address | undefined {
  if (body.length < IFADDR_BYTES) throw new NetlinkFormatError("An address that is too short");
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(IFADDR_BYTES));
  const shown = attributes.bytes(IFA.ADDRESS), local = attributes.bytes(IFA.LOCAL) ?? shown;
  const length = addressLength(view.getUint8(0));
  if (length === undefined || local?.length !== length) return undefined;
  const peer = shown?.length === length && !sameBytes(shown, local) ? shown : undefined;
  const broadcast = attributes.bytes(IFA.BROADCAST);
  return {
    index: view.getUint32(4, true),
    address: local,
    prefixLength: view.getUint8(1),
    ...(peer && { peer }),
    ...(broadcast && { broadcast }),
    scope: view.getUint8(3),
    flags: attributes.u32(IFA.FLAGS) ?? view.getUint8(2),
  };
}

/** Bytes of an address of a family, if it is one of IP's. */
export function addressLength(family: number): 4 | 16 | undefined {
  return family === AF_INET ? 4 : family === AF_INET6 ? 16 : undefined;
}

export function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export function encodeAddress(given: Address): Uint8Array<ArrayBuffer> {
  const { index, address, prefixLength, peer, broadcast, scope, flags } = given;
  const header = new Uint8Array(IFADDR_BYTES);
  const view = viewOf(header);
  view.setUint8(0, familyOf(address));
  view.setUint8(1, prefixLength);
  view.setUint8(2, flags & 0xff);
  view.setUint8(3, scope);
  view.setUint32(4, index, true);
  return joined(
    header,
    attribute(IFA.LOCAL, address),
    attribute(IFA.ADDRESS, peer ?? address),
    ...(broadcast ? [attribute(IFA.BROADCAST, broadcast)] : []),
    u32Attribute(IFA.FLAGS, flags),
  );
}

/** All IP addresses of the socket's namespace. */
export function listAddresses(netlink: NetlinkSocket): Address[] {
  const bodies = netlink.dump("list addresses", RTM.GETADDR, new Uint8Array(IFADDR_BYTES));
  return bodies.map(parseAddress).filter((address) => address !== undefined);
}

/** Adds an address, or changes the one that is there. @throws {NetlinkError} */
export function putAddress(netlink: NetlinkSocket, address: Address): void {
  const what = `add address ${formatIp(address.address)}/${address.prefixLength}`;
  netlink.request(what, RTM.NEWADDR, NLM.CREATE | NLM.REPLACE, encodeAddress(address));
}

/** @throws {NetlinkError} EADDRNOTAVAIL: not there. */
export function deleteAddress(netlink: NetlinkSocket, address: Address): void {
  const what = `remove address ${formatIp(address.address)}/${address.prefixLength}`;
  netlink.request(what, RTM.DELADDR, 0, encodeAddress(address));
}
