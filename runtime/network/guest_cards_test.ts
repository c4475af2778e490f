import { assertEquals } from "@std/assert";
import type { Net } from "../hypervisor/device.ts";
import { GuestCards, type NetworkGuest } from "./guest_cards.ts";
import type { PodLink } from "./pod_link.ts";
import type { NetworkScan } from "./scan.ts";

const signal = new AbortController().signal;

/** A guest that notes what it is told. */
function listening(): { guest: NetworkGuest; told: string[] } {
  const told: string[] = [];
  const answer = (text: string) => {
    told.push(text);
    return Promise.resolve({} as never);
  };
  const guest: NetworkGuest = {
    agent: {
      updateInterface: ({ interface: it }) =>
        answer(`${it?.name} at ${it?.devicePath}: ${it?.IPAddresses?.map((a) => a.address)}`),
      updateRoutes: ({ routes }) => answer(`${routes?.Routes?.length} routes`),
      addARPNeighbors: ({ neighbors }) => answer(`${neighbors?.ARPNeighbors?.length} neighbours`),
    },
    vm: {
      attach: ({ kind }) => answer(`plug ${kind}`).then(() => ({ kind: "pci", path: "10/00" })),
      detach: (id) => answer(`unplug ${id}`),
      locationOf: (id) => id === "net-2" ? { kind: "pci", path: "18.0" } : undefined,
    },
  };
  return { guest, told };
}

function link(index: number, name: string): PodLink["link"] {
  const more = { type: 1, flags: 1, mtu: 1500, kind: "veth", stats: undefined };
  return { index, name, mac: `02:00:00:00:00:0${index}`, ...more };
}

function scan(interfaces: readonly [number, string, string[]][]): NetworkScan {
  return {
    interfaces: interfaces.map(([index, name, last]) => ({
      link: link(index, name),
      addresses: last.map((byte) => ({
        index,
        address: Uint8Array.of(10, 0, 0, Number(byte)),
        prefixLength: 24,
        scope: 0,
        flags: 0,
      })),
    })),
    routes: [],
    neighbors: [],
  };
}

function tied(index: number, name: string): PodLink {
  const net: Net = { kind: "net", id: `net-${index}`, tap: "t", mac: "" };
  return { link: link(index, name), net } as unknown as PodLink;
}

Deno.test("GuestCards tells what the guest does not know yet, and nothing twice", async () => {
  const { guest, told } = listening(), cards = new GuestCards();
  await cards.tell(guest, scan([[2, "eth0", ["2"]]]), signal);
  await cards.tell(guest, scan([[2, "eth0", ["2"]]]), signal);
  assertEquals(told.splice(0), ["eth0 at 18.0: 10.0.0.2"]);
  await cards.tell(guest, scan([[2, "eth0", ["2", "3"]]]), signal);
  assertEquals(told, ["eth0 at 18.0: 10.0.0.2,10.0.0.3"]);
});

Deno.test("GuestCards plugs and unplugs cards, and empties those that were there from the start", async () => {
  const { guest, told } = listening(), cards = new GuestCards();
  await cards.plug(guest, tied(3, "eth1"));
  await cards.tell(guest, scan([[3, "eth1", ["9"]]]), signal);
  await cards.unplug(guest, tied(3, "eth1"), signal);
  await cards.unplug(guest, tied(2, "eth0"), signal);
  assertEquals(told, ["plug net", "eth1 at 10/00: 10.0.0.9", "unplug net-3", "eth0 at 18.0: "]);
});
