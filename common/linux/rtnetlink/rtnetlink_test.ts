import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatIp, parseIp } from "../ip_address.ts";
import { NetlinkFormatError } from "../netlink_message.ts";
import { NetlinkSocket } from "../netlink.ts";
import { createNetns, inNetns } from "../netns.ts";
import { isErrno, SyscallError } from "../syscall_error.ts";
import { createTap } from "../tap.ts";
import { encodeAddress, listAddresses, parseAddress, putAddress } from "./address.ts";
import { RTMGRP } from "./constants.ts";
import { listLinks, parseLink, setLink } from "./link.ts";
import { encodeNeighbor, listNeighbors, parseNeighbor, putNeighbor } from "./neighbor.ts";
import {
  deleteRoute,
  encodeRoute,
  listRoutes,
  parseRoute,
  putRoute,
  putRoutes,
  type Route,
} from "./route.ts";
import * as traffic from "./traffic.ts";

const u8 = fc.nat(255), u32 = fc.nat(0xffffffff), index = fc.integer({ min: 1, max: 0x7fffffff });
const family = fc.constantFrom(2, 10);
const bytesFor = (of: number) =>
  fc.uint8Array({ minLength: of === 2 ? 4 : 16, maxLength: of === 2 ? 4 : 16 });

const route: fc.Arbitrary<Route> = family.chain((of) => {
  const address = bytesFor(of);
  const nexthop = fc.record(
    { index, hops: u8, flags: fc.constantFrom(0, 4), gateway: address },
    { requiredKeys: ["index", "hops", "flags"] },
  );
  return fc.record({
    family: fc.constant(of),
    destination: address,
    destinationLength: fc.nat(of === 2 ? 32 : 128),
    source: address,
    sourceLength: fc.nat(32),
    gateway: address,
    via: bytesFor(10),
    index,
    preferredSource: address,
    priority: u32,
    table: u32,
    protocol: u8,
    scope: u8,
    type: u8,
    tos: u8,
    flags: fc.constantFrom(0, 4),
    metrics: fc.array(fc.tuple(fc.integer({ min: 1, max: 17 }), u32), { maxLength: 3 })
      .map((pairs) => new Map(pairs)),
    preference: u8,
    nexthops: fc.array(nexthop, { maxLength: 3 }),
  }, {
    requiredKeys: [
      ...["family", "destinationLength", "sourceLength", "table", "protocol", "scope"] as const,
      ...["type", "tos", "flags", "metrics", "nexthops"] as const,
    ],
  });
});

Deno.test("parseRoute reads what encodeRoute wrote", () => {
  fc.assert(fc.property(route, (given) => assertEquals(parseRoute(encodeRoute(given)), given)));
});

Deno.test("parseAddress and parseNeighbor read what was encoded", () => {
  const address = family.chain((of) =>
    fc.record({
      index,
      address: bytesFor(of),
      prefixLength: fc.nat(32),
      scope: u8,
      flags: u32,
      broadcast: bytesFor(of),
    }, { requiredKeys: ["index", "address", "prefixLength", "scope", "flags"] })
  );
  fc.assert(
    fc.property(address, (given) => assertEquals(parseAddress(encodeAddress(given)), given)),
  );
  const neighbor = fc.record({
    index,
    address: family.chain(bytesFor),
    hardware: fc.uint8Array({ maxLength: 8 }),
    state: fc.nat(0xffff),
    flags: u8,
  });
  fc.assert(
    fc.property(neighbor, (given) => assertEquals(parseNeighbor(encodeNeighbor(given)), given)),
  );
});

Deno.test("any bytes are read or refused", () => {
  const parsers = [parseLink, parseAddress, parseRoute, parseNeighbor];
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
    for (const parse of parsers) {
      try {
        parse(bytes);
      } catch (error) {
        assert(error instanceof NetlinkFormatError, String(error));
      }
    }
  }));
});

/** An address that is one. */
function ip(text: string): Uint8Array {
  const bytes = parseIp(text);
  assert(bytes);
  return bytes;
}

/** Needs root, and the kernel's tun driver. */
function inKernel(
  name: string,
  body: (netlink: NetlinkSocket, fd: number) => void | Promise<void>,
): void {
  const ignore = Deno.uid() !== 0;
  const why = ignore ? " (skipped: needs root)" : "";
  Deno.test({ name: name + why, ignore, sanitizeResources: false }, async () => {
    using namespace = createNetns();
    using netlink = inNetns(namespace.fd, () => NetlinkSocket.open());
    await body(netlink, namespace.fd);
  });
}

function makeTap(netlink: NetlinkSocket, fd: number, name: string): { index: number } & Disposable {
  const fds = inNetns(fd, () => createTap(name, 1));
  const index = listLinks(netlink).find((link) => link.name === name)?.index ?? 0;
  setLink(netlink, "up", index, { up: true, mtu: 1400, withoutAutomaticIpv6: true });
  return { index, [Symbol.dispose]: () => fds.forEach((each) => each.close()) };
}

inKernel("a namespace has its own interfaces, and this thread stays in its own", (netlink, fd) => {
  const home = Deno.readLinkSync("/proc/thread-self/ns/net");
  assertEquals(listLinks(netlink).map(({ name }) => name), ["lo"]);
  assertThrows(() => inNetns(fd, () => createTap("a-name-too-long-by-far", 1)), RangeError);
  assertEquals(Deno.readLinkSync("/proc/thread-self/ns/net"), home);
});

inKernel("the kernel tells back what it was given", (netlink, fd) => {
  using tap = makeTap(netlink, fd, "tap0");
  const address = ip("10.1.0.2"), base = { index: tap.index, prefixLength: 24, scope: 0, flags: 0 };
  putAddress(netlink, { ...base, address });
  putAddress(netlink, { ...base, address: ip("fd00::2"), prefixLength: 64, flags: 2 });
  assertEquals(listAddresses(netlink).map((each) => formatIp(each.address)), [
    "10.1.0.2",
    "fd00::2",
  ]);
  const wanted: Route = {
    family: 2,
    destination: ip("10.9.0.0"),
    destinationLength: 16,
    sourceLength: 0,
    gateway: ip("10.1.0.1"),
    index: tap.index,
    preferredSource: address,
    priority: 7,
    table: 1000,
    protocol: 4,
    scope: 0,
    type: 1,
    tos: 0,
    flags: 4,
    metrics: new Map([[2, 1300], [8, 1260]]),
    nexthops: [],
  };
  const given = (): Route[] => listRoutes(netlink).filter(({ table }) => table === 1000);
  putRoute(netlink, wanted);
  assertEquals(given(), [wanted]);
  deleteRoute(netlink, wanted);
  assertEquals(given(), []);
  const many = Array.from({ length: 300 }, (_, n) => (
    { ...wanted, destination: Uint8Array.of(10, 20, n >> 8, n), destinationLength: 32 }
  ));
  putRoutes(netlink, many);
  assertEquals(given().length, 300);
  const bad = { ...wanted, gateway: ip("192.0.2.1"), flags: 0 };
  assertThrows(() => putRoutes(netlink, [wanted, bad, ...many]), SyscallError, "10.9.0.0/16");
  const hardware = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const neighbor = { index: tap.index, address: ip("10.1.0.9"), hardware, state: 0x80, flags: 0 };
  putNeighbor(netlink, neighbor);
  assertEquals(listNeighbors(netlink).filter(({ state }) => state === 0x80), [neighbor]);
});

inKernel("a refusal says what, and in the kernel's words", (netlink, fd) => {
  using tap = makeTap(netlink, fd, "tap0");
  const error = assertThrows(
    () => setLink(netlink, "set the MTU of tap0", tap.index, { mtu: 1 }),
    SyscallError,
    "set the MTU of tap0",
  );
  assert(isErrno(error, "EINVAL"));
});

inKernel("redirect and limitRate are undone, however often", (netlink, fd) => {
  using one = makeTap(netlink, fd, "one");
  using other = makeTap(netlink, fd, "other");
  const { index } = one;
  traffic.redirect(netlink, index, other.index);
  traffic.limitRate(netlink, index, 50e9);
  assert(traffic.isRedirected(netlink, index));
  assertEquals(new Set(traffic.disciplines(netlink, index)), new Set(["tbf", "ingress"]));
  for (let twice = 0; twice < 2; twice++) {
    traffic.removeRedirect(netlink, index);
    traffic.removeRateLimit(netlink, index);
  }
  assertEquals(traffic.disciplines(netlink, index).includes("ingress"), false);
  assertEquals(traffic.disciplines(netlink, index).includes("tbf"), false);
  traffic.removeRedirect(netlink, 4711);
});

inKernel("changed hears of a new interface, and ends with its signal", async (netlink, fd) => {
  using changes = inNetns(fd, () => NetlinkSocket.open(RTMGRP.LINK));
  const heard = changes.changed();
  using _tap = makeTap(netlink, fd, "tap0");
  assertEquals(await heard, true);
  while (await changes.changed(AbortSignal.timeout(20)));
});
