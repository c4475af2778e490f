/** The guest's interfaces, and which one the host means. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { RTMGRP } from "../../common/linux/rtnetlink/constants.ts";
import { type Link, listLinks } from "../../common/linux/rtnetlink/link.ts";
import type { Interface } from "../../common/protocol/gen/kata/types_pb.ts";
import { pciInterface } from "./pci.ts";

/** How long a card that is being plugged in may take to appear, in milliseconds; emulated guests are slow. */
const PLUG_MS = 10_000;

function absent(what: string, links: readonly Link[]): RuntimeError {
  const there = links.map(({ name, mac }) => `${name} ${mac}`.trim()).join(", ");
  return new RuntimeError(Code.NotFound, `No interface ${what}; there are ${there}`);
}

/** @throws {RuntimeError} NotFound, naming those that there are. */
export function linkNamed(links: readonly Link[], name: string): Link {
  const found = links.find((link) => link.name === name);
  if (found) return found;
  throw absent(`has the name ${JSON.stringify(name)}`, links);
}

/** By the card's place, where the host names it, and otherwise by hardware address. */
function findLink({ devicePath, hwAddr }: Interface, netlink: NetlinkSocket): Link | undefined {
  const mac = hwAddr.toLowerCase();
  if (devicePath === "") return listLinks(netlink).find((link) => link.mac === mac);
  const name = pciInterface(devicePath); // a card is in /sys a moment before it is a link
  return name === undefined ? undefined : listLinks(netlink).find((link) => link.name === name);
}

/**
 * The interface that the host means; waits for one that is being plugged in.
 * @throws {RuntimeError} NotFound, naming those that there are.
 */
export async function linkFor(wanted: Interface, netlink: NetlinkSocket): Promise<Link> {
  const found = findLink(wanted, netlink);
  if (found) return found;
  using changes = NetlinkSocket.open(RTMGRP.LINK);
  const signal = AbortSignal.timeout(wanted.devicePath === "" ? 0 : PLUG_MS);
  do {
    const link = findLink(wanted, netlink); // it may have come before the socket was open
    if (link) return link;
  } while (await changes.changed(signal));
  const { hwAddr, devicePath } = wanted;
  const what = devicePath === ""
    ? `has the hardware address ${JSON.stringify(hwAddr)}`
    : `appeared at ${JSON.stringify(devicePath)} within ${PLUG_MS} ms`;
  throw absent(what, listLinks(netlink));
}
