import { create } from "@bufbuild/protobuf";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { formatIp } from "../../common/linux/ip_address.ts";
import { encodeRoute, parseRoute, type Route } from "../../common/linux/rtnetlink/route.ts";
import {
  ARPNeighborSchema,
  InterfaceSchema,
  IPAddressSchema,
  RouteSchema,
} from "../../common/protocol/gen/kata/types_pb.ts";
import { interfaceName, ipFrom, prefixFrom } from "./convert.ts";
import { addressFrom, interfaceFrom } from "./interfaces.ts";
import { linkNamed } from "./links.ts";
import { neighborFrom } from "./neighbors.ts";
import { pciInterface } from "./pci.ts";
import { inOrder, routeFrom, routeMessage } from "./routes.ts";
import { parseNetDev } from "./stats.ts";

const LINK = {
  index: 2,
  name: "eth0",
  type: 1,
  flags: 0x1,
  mac: "02:00:00:00:00:01",
  mtu: 1500,
  kind: "",
  stats: undefined,
};
const LINKS = [{ ...LINK, index: 1, name: "lo", mac: "00:00:00:00:00:00" }, LINK];
const NAMES = new Map([[1, "lo"], [2, "eth0"]]);

Deno.test("addressFrom keeps what the host chose, and lets nobody wait for duplicates", () => {
  const given = create(IPAddressSchema, {
    address: "10.1.2.3",
    mask: "24",
    flags: 0x2c0, // noprefixroute, permanent and tentative
    broadcast: "10.1.2.255",
  });
  const address = addressFrom(given, 2);
  assertEquals(
    [formatIp(address.address), address.prefixLength, address.flags, address.peer],
    ["10.1.2.3", 24, 0x202, undefined],
  );
  for (const mask of ["33", "-1", "", "x"]) {
    assertThrows(
      () => addressFrom(create(IPAddressSchema, { address: "10.0.0.1", mask }), 2),
      RuntimeError,
    );
  }
});

Deno.test("linkNamed says which interfaces there are", () => {
  assertThrows(
    () => linkNamed(LINKS, "eth9"),
    RuntimeError,
    "there are lo 00:00:00:00:00:00, eth0 02:00:00:00:00:01",
  );
});

Deno.test("a route of a host that tells all comes out as it went in", () => {
  const message = create(RouteSchema, {
    dest: "10.9.0.0/16",
    source: "10.1.2.3",
    scope: 0,
    complete: true,
    table: 100,
    priority: 7,
    protocol: 4,
    type: 1,
    tos: 8,
    mtu: 1300,
    metrics: [{ type: 2, value: 1300 }, { type: 8, value: 1260 }],
    nexthops: [
      { device: "eth0", gateway: "10.1.2.1", hops: 2 },
      { device: "eth0", gateway: "10.1.2.9", flags: 4 },
    ],
  });
  const route = parseRoute(encodeRoute(routeFrom(message, LINKS)));
  assert(route);
  assertEquals(create(RouteSchema, routeMessage(route, NAMES)), message);
});

Deno.test("a route of another host is one of the main table", () => {
  const message = create(RouteSchema, { gateway: "fd00::1", device: "eth0", flags: 4, mtu: 1300 });
  const route = routeFrom(message, LINKS);
  assertEquals(
    [route.family, route.table, route.type, route.index, route.flags, route.metrics.get(2)],
    [10, 254, 1, 2, 4, 1300],
  );
  const mixed = create(RouteSchema, { dest: "10.0.0.0/8", gateway: "fd00::1", device: "eth0" });
  assertThrows(() => routeFrom(mixed, LINKS), RuntimeError, "mixes IPv4 and IPv6");
});

Deno.test("inOrder puts routes without a gateway first", () => {
  const route = (init: Partial<Route>): Route => ({
    family: 2,
    destinationLength: 0,
    sourceLength: 0,
    table: 254,
    protocol: 3,
    scope: 0,
    type: 1,
    tos: 0,
    flags: 0,
    metrics: new Map(),
    nexthops: [],
    ...init,
  });
  const gateway = ipFrom("10.0.0.1");
  const ordered = inOrder([
    route({ gateway, index: 1 }),
    route({ index: 2 }),
    route({ nexthops: [{ index: 2, hops: 0, flags: 0, gateway }] }),
    route({ index: 3 }),
  ]);
  assertEquals(ordered.map(({ index }) => index), [2, 3, 1, undefined]);
});

Deno.test("interfaceFrom tells an interface's own addresses alone", () => {
  const at = (index: number) => ({
    index,
    address: ipFrom("fd00::2"),
    prefixLength: 64,
    scope: 0,
    flags: 0x80,
  });
  const told = create(InterfaceSchema, interfaceFrom(LINK, [at(1), at(2)]));
  assertEquals(told.IPAddresses.map(({ address, mask }) => `${address}/${mask}`), ["fd00::2/64"]);
});

Deno.test("neighborFrom keeps the state that the host names", () => {
  const message = create(ARPNeighborSchema, {
    toIPAddress: { address: "10.0.0.9" },
    lladdr: "02:00:00:00:00:09",
    device: "eth0",
    state: 0x80,
  });
  const neighbor = neighborFrom(message, LINKS);
  assertEquals([neighbor.index, neighbor.state, neighbor.hardware[5]], [2, 0x80, 9]);
});

Deno.test("what the host names is checked, whatever it is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    for (const parse of [prefixFrom, interfaceName, pciInterface]) {
      try {
        parse(text);
      } catch (error) {
        assert(error instanceof RuntimeError, String(error));
      }
    }
  }));
  for (const name of ["", ".", "..", "a b", "a/b", "a:b", "sixteen-letters-"]) {
    assertThrows(() => interfaceName(name), RuntimeError);
  }
});

Deno.test("parseNetDev reads the kernel's table, and takes any text", () => {
  const [stats] = parseNetDev(
    "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
  );
  assertEquals([stats?.name, stats?.rxBytes, stats?.txBytes, stats?.txDropped], [
    "eth0",
    1n,
    9n,
    12n,
  ]);
  assert(parseNetDev(Deno.readTextFileSync("/proc/net/dev")).some(({ name }) => name === "lo"));
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseNetDev(text))));
});
