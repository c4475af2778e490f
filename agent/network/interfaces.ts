/** UpdateInterface and ListInterfaces. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { formatIp } from "../../common/linux/ip_address.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import {
  type Address,
  deleteAddress,
  IFA_F,
  listAddresses,
  putAddress,
} from "../../common/linux/rtnetlink/address.ts";
import { IFF } from "../../common/linux/rtnetlink/constants.ts";
import { type Link, listLinks, setLink } from "../../common/linux/rtnetlink/link.ts";
import {
  type Interface,
  type InterfaceSchema,
  type IPAddress,
  type IPAddressSchema,
  IPFamily,
} from "../../common/protocol/gen/kata/types_pb.ts";
import { interfaceName, ipFrom, macFrom, maskFrom, optionalIp } from "./convert.ts";
import { linkFor } from "./links.ts";

type InterfaceInit = MessageInitShape<typeof InterfaceSchema>;

/** An address's flags that its owner chooses; the others tell of its state. */
const CHOSEN_FLAGS = IFA_F.NOPREFIXROUTE;
const SCOPE_LINK = 253;

/**
 * Sets up the interface at the place or with the hardware address given: name, addresses, MTU, flags, up.
 * @returns It, as it is now.
 * @throws {RuntimeError} NotFound: no such interface. InvalidArgument. @throws {NetlinkError}
 */
export async function updateInterface(wanted: Interface): Promise<InterfaceInit> {
  using netlink = NetlinkSocket.open();
  const link = await linkFor(wanted, netlink);
  const name = interfaceName(wanted.name || wanted.device || link.name);
  const addresses = wanted.IPAddresses.map((address) => addressFrom(address, link.index));
  rename(netlink, link, name);
  await acceptAddressesAtOnce(name);
  setLink(netlink, `set up ${name}`, link.index, {
    ...(wanted.hwAddr !== "" && wanted.hwAddr.toLowerCase() !== link.mac &&
      { mac: macFrom(wanted.hwAddr) }),
    ...(wanted.mtu > 0n && { mtu: Number(wanted.mtu) }),
    arp: (wanted.rawFlags & IFF.NOARP) === 0,
    promiscuous: (wanted.rawFlags & IFF.PROMISC) !== 0,
    up: true,
  });
  replaceAddresses(netlink, link.index, addresses);
  return wanted;
}

/** Another interface may have the name: it gets this one's, as Kata's agent swaps them. Renaming needs it down. */
function rename(netlink: NetlinkSocket, link: Link, name: string): void {
  if (link.name === name) return;
  const other = listLinks(netlink).find((each) => each.name === name);
  const change = (index: number, to: string): void => {
    setLink(netlink, "take an interface down", index, { up: false });
    setLink(netlink, `rename an interface to ${to}`, index, { name: to });
  };
  if (other) change(other.index, "kata-swap0");
  change(link.index, name);
  if (!other) return;
  change(other.index, link.name);
  if ((other.flags & IFF.UP) !== 0) setLink(netlink, "bring it up", other.index, { up: true });
}

/** The host has made sure already that nobody else has its addresses. */
async function acceptAddressesAtOnce(name: string): Promise<void> {
  try {
    await Deno.writeTextFile(`/proc/sys/net/ipv6/conf/${name}/accept_dad`, "0", { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // a guest without IPv6
  }
}

/** @throws {RuntimeError} InvalidArgument. */
export function addressFrom(given: IPAddress, index: number): Address {
  const address = ipFrom(given.address);
  const peer = optionalIp(given.peer), broadcast = optionalIp(given.broadcast);
  return {
    index,
    address,
    prefixLength: maskFrom(given.mask, address),
    ...(peer && { peer }),
    ...(broadcast && { broadcast }),
    scope: given.scope & 0xff,
    flags: (given.flags & CHOSEN_FLAGS) | IFA_F.NODAD,
  };
}

function key({ address, prefixLength }: Address): string {
  return `${formatIp(address)}/${prefixLength}`;
}

/** What the kernel gave the interface by itself, IPv6 addresses of the link, stays. */
function replaceAddresses(netlink: NetlinkSocket, index: number, wanted: readonly Address[]): void {
  const keep = new Set(wanted.map(key));
  for (const address of listAddresses(netlink)) {
    const own = address.address.length === 16 && address.scope === SCOPE_LINK;
    if (address.index === index && !own && !keep.has(key(address))) {
      deleteAddress(netlink, address);
    }
  }
  for (const address of wanted) putAddress(netlink, address);
}

/** All interfaces with their addresses. */
export function listInterfaces(): InterfaceInit[] {
  using netlink = NetlinkSocket.open();
  const addresses = listAddresses(netlink);
  return listLinks(netlink).map((link) => interfaceFrom(link, addresses));
}

export function interfaceFrom(link: Link, addresses: readonly Address[]): InterfaceInit {
  return {
    device: link.name,
    name: link.name,
    hwAddr: link.mac,
    mtu: BigInt(link.mtu),
    type: link.kind,
    rawFlags: link.flags & (IFF.NOARP | IFF.PROMISC),
    IPAddresses: addresses.filter(({ index }) => index === link.index).map(addressMessage),
  };
}

function addressMessage(given: Address): MessageInitShape<typeof IPAddressSchema> {
  const { address, prefixLength, flags, scope, peer, broadcast } = given;
  return {
    family: address.length === 16 ? IPFamily.v6 : IPFamily.v4,
    address: formatIp(address),
    mask: String(prefixLength),
    flags: flags & CHOSEN_FLAGS,
    scope,
    ...(peer && { peer: formatIp(peer) }),
    ...(broadcast && { broadcast: formatIp(broadcast) }),
  };
}
