import { assert, assertEquals, assertThrows } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { O, open, OwnedFd } from "../../common/linux/fd.ts";
import { parseIp } from "../../common/linux/ip_address.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { createNetns, inNetns } from "../../common/linux/netns.ts";
import { putAddress } from "../../common/linux/rtnetlink/address.ts";
import { deleteLink, listLinks, setLink } from "../../common/linux/rtnetlink/link.ts";
import { putNeighbor } from "../../common/linux/rtnetlink/neighbor.ts";
import { putRoute, type Route } from "../../common/linux/rtnetlink/route.ts";
import { disciplines, isRedirected } from "../../common/linux/rtnetlink/traffic.ts";
import { createTap } from "../../common/linux/tap.ts";
import { guestName, interfaceMessage, namesOf, routeMessage } from "./guest_network.ts";
import { NetworkNamespace } from "./namespace.ts";
import { PodLink } from "./pod_link.ts";
import { type NetworkOptions, SandboxNetwork } from "./sandbox_network.ts";
import { cleanUpNetwork } from "./saved_network.ts";
import { scanNetwork } from "./scan.ts";

function ip(text: string): Uint8Array {
  const bytes = parseIp(text);
  assert(bytes);
  return bytes;
}

/** A pod's namespace whose interfaces are tap devices, which need no other end. */
class Pod implements Disposable {
  readonly #namespace = createNetns();
  readonly netlink = inNetns(this.#namespace.fd, () => NetlinkSocket.open());
  readonly #taps = new DisposableStack();

  get path(): string {
    return `/proc/self/fd/${this.#namespace.fd}`;
  }

  /** @returns Its index. */
  addInterface(name: string, addresses: readonly string[], up = true): number {
    inNetns(this.#namespace.fd, () => createTap(name, 1)).forEach((fd) => this.#taps.use(fd));
    const index = listLinks(this.netlink).find((link) => link.name === name)?.index ?? 0;
    if (up) setLink(this.netlink, name, index, { up, withoutAutomaticIpv6: true });
    for (const text of addresses) {
      const [address = "", length] = text.split("/");
      const flags = 2; // nobody else has it
      const prefixLength = Number(length);
      putAddress(this.netlink, { index, address: ip(address), prefixLength, scope: 0, flags });
    }
    return index;
  }

  /** Runs ip(8) inside. */
  ip(...words: readonly string[]): void {
    const net = `--net=${this.path.replace("self", String(Deno.pid))}`;
    const { success } = new Deno.Command("nsenter", { args: [net, "ip", ...words] }).outputSync();
    assert(success, words.join(" "));
  }

  names(): string[] {
    return listLinks(this.netlink).map(({ name }) => name);
  }

  [Symbol.dispose](): void {
    this.#taps.dispose();
    this.netlink[Symbol.dispose]();
    this.#namespace.close();
  }
}

function inKernel(name: string, body: () => void): void {
  const ignore = Deno.uid() !== 0;
  Deno.test({ name: name + (ignore ? " (skipped: needs root)" : ""), ignore, fn: body });
}

function options(
  netnsPath: string | undefined,
  more: Partial<NetworkOptions> = {},
): NetworkOptions {
  return {
    model: "tcfilter",
    netnsPath,
    queues: 1,
    tapBy: "descriptor",
    vhost: false,
    receiveBitsPerSecond: 0,
    sendBitsPerSecond: 0,
    key: "test-00000000",
    ...more,
  };
}

function defaultRoute(index: number, gateway: string): Route {
  const numbers = { family: 2, destinationLength: 0, sourceLength: 0, table: 254, protocol: 3 };
  const more = { scope: 0, type: 1, tos: 0, flags: 0, metrics: new Map(), nexthops: [] };
  return { ...numbers, ...more, index, gateway: ip(gateway), priority: 7 };
}

inKernel("scanNetwork finds what somebody set, and leaves what the guest makes itself", () => {
  using pod = new Pod();
  const eth0 = pod.addInterface("eth0", ["10.1.0.2/24", "fd00::2/64"]);
  pod.addInterface("idle0", [], false);
  putRoute(pod.netlink, defaultRoute(eth0, "10.1.0.1"));
  const hardware = Uint8Array.of(2, 0, 0, 0, 0, 9);
  putNeighbor(pod.netlink, {
    index: eth0,
    address: ip("10.1.0.9"),
    hardware,
    state: 0x80,
    flags: 0,
  });
  const scan = scanNetwork(pod.netlink), names = namesOf(scan.interfaces);
  assertEquals(scan.interfaces.map(({ link }) => link.name), ["eth0"]);
  const [only] = scan.interfaces;
  const message = interfaceMessage(only ?? assert(false) as never, "18.0");
  assertEquals(message.IPAddresses?.map(({ address, mask }) => `${address}/${mask}`), [
    "10.1.0.2/24",
    "fd00::2/64",
  ]);
  assertEquals(
    scan.routes.map((route) => routeMessage(route, names)).map((route) => [
      route.dest,
      route.gateway,
      route.device,
      route.priority,
    ]),
    [["", "10.1.0.1", "eth0", 7]],
  );
  assertEquals(scan.neighbors.length, 1);
});

inKernel("scanNetwork takes a bridge for an interface, and not its ports", () => {
  using pod = new Pod();
  pod.ip("link", "add", "br0", "type", "bridge");
  pod.ip("link", "set", "br0", "up");
  pod.addInterface("port0", []);
  pod.addInterface("eth0", []);
  pod.ip("link", "set", "port0", "master", "br0");
  const { interfaces } = scanNetwork(pod.netlink);
  assertEquals(interfaces.map(({ link }) => link.name).sort(), ["br0", "eth0"]);
});

inKernel(
  "connect ties each interface to a card, and disposal leaves the namespace as it was",
  () => {
    using pod = new Pod();
    const one = pod.addInterface("eth0", ["10.1.0.2/24"]);
    const other = pod.addInterface("net1", ["10.2.0.2/24"]);
    const before = pod.names();
    {
      using network = SandboxNetwork.open(
        options(pod.path, { receiveBitsPerSecond: 1e9, sendBitsPerSecond: 1e9 }),
      );
      const cards = network.connect(8);
      assertEquals(cards.map(({ tap }) => tap), [`kata-t${one}`, `kata-t${other}`]);
      assert(isRedirected(pod.netlink, one) && isRedirected(pod.netlink, other));
      assert(disciplines(pod.netlink, one).includes("tbf"));
    }
    assertEquals(pod.names(), before);
    assertEquals(disciplines(pod.netlink, one).filter((kind) => /ingress|tbf/.test(kind)), []);
  },
);

inKernel("what a network that was never disposed of left is cleaned up from its path alone", () => {
  using pod = new Pod();
  const eth0 = pod.addInterface("eth0", ["10.1.0.2/24"]);
  const network = SandboxNetwork.open(options(pod.path, { sendBitsPerSecond: 1e9 }));
  network.connect(8);
  network.started(); // nobody holds the tap any more, as after the VMM's end
  for (let twice = 0; twice < 2; twice++) cleanUpNetwork(network.saved, "test-00000000");
  assertEquals(disciplines(pod.netlink, eth0).filter((kind) => /ingress|tbf/.test(kind)), []);
  network[Symbol.dispose]();
  cleanUpNetwork({ netnsPath: "/run/netns/no-such" }, "test-00000000");
});

inKernel("a VMM that takes taps by name finds them, and none is left without it", () => {
  using pod = new Pod();
  const eth0 = pod.addInterface("eth0", ["10.1.0.2/24"]), before = pod.names();
  for (const end of ["disposed of", "cleaned up"]) {
    const network = SandboxNetwork.open(options(pod.path, { tapBy: "name", model: "macvtap" }));
    const [card] = network.connect(8);
    assertEquals([card?.tap, card?.fds], [`kata-t${eth0}`, undefined]);
    assert(pod.names().includes(`kata-t${eth0}`), end);
    if (end === "cleaned up") cleanUpNetwork(network.saved, "test-00000000");
    network[Symbol.dispose]();
    assertEquals(pod.names(), before, end);
  }
});

inKernel("more interfaces than the VM takes are refused, and nothing is tied", () => {
  using pod = new Pod();
  const indexes = [1, 2, 3].map((n) => pod.addInterface(`eth${n}`, [`10.${n}.0.2/24`]));
  using network = SandboxNetwork.open(options(pod.path));
  const error = assertThrows(() => network.connect(2), RuntimeError, "Cannot connect 3 network");
  assertEquals(error.code, Code.ResourceExhausted);
  assert(indexes.every((index) => !isRedirected(pod.netlink, index)));
});

inKernel("an interface that vanishes meanwhile is named, and leaves nothing", () => {
  using pod = new Pod();
  pod.addInterface("eth0", ["10.1.0.2/24"]);
  using namespace = NetworkNamespace.open(pod.path);
  const [link] = scanNetwork(namespace.netlink).interfaces.map((each) => each.link);
  assert(link);
  deleteLink(pod.netlink, "remove eth0", link.index);
  const before = pod.names();
  for (const model of ["tcfilter", "macvtap"] as const) {
    const kind = model === "macvtap" ? "veth" : link.kind;
    const error = assertThrows(
      () => PodLink.tie(namespace, { ...link, kind }, { ...options(pod.path), model }),
      RuntimeError,
      'Cannot connect interface "eth0" to the VM',
    );
    assertEquals(error.code, Code.Unavailable);
    assertEquals(pod.names(), before);
  }
});

inKernel("with model none nothing is tied", () => {
  using pod = new Pod();
  pod.addInterface("eth0", ["10.1.0.2/24"]);
  using network = SandboxNetwork.open(options(pod.path, { model: "none" }));
  assertEquals(network.connect(8), []);
});

inKernel("a pod without a namespace gets one, whose loopback interface is up", () => {
  using network = SandboxNetwork.open(options(undefined));
  using namespace = new OwnedFd(open(network.namespacePath, O.RDONLY));
  using netlink = inNetns(namespace.fd, () => NetlinkSocket.open());
  assertEquals(listLinks(netlink).map(({ name, flags }) => [name, flags & 1]), [["lo", 1]]);
  assertEquals(network.connect(8), []);
  assertEquals(network.saved, {});
});

inKernel("a namespace that is none is refused, whatever its path leads to", () => {
  const folder = Deno.makeTempDirSync();
  const fifo = `${folder}/fifo`, plain = `${folder}/plain`;
  new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
  Deno.writeTextFileSync(plain, "");
  for (const path of [fifo, plain, folder, `${folder}/none`, `${plain}/x`, "/proc/self/ns/uts"]) {
    const error = assertThrows(() => SandboxNetwork.open(options(path)), RuntimeError, path);
    assertEquals(error.code, Code.InvalidArgument);
  }
  Deno.removeSync(folder, { recursive: true });
});

inKernel("the host's own namespace is refused, with what to do instead", () => {
  for (const path of ["/proc/self/ns/net", `/proc/${Deno.pid}/ns/net`]) {
    assertThrows(() => SandboxNetwork.open(options(path)), RuntimeError, "a network of its own");
  }
});

Deno.test("guestName keeps every name that is text", () => {
  const link = { index: 1, type: 1, flags: 0, mac: "", mtu: 0, kind: "", stats: undefined };
  for (const name of ["eth0", 'a";rm', "ünï", "$(x)"]) {
    assertEquals(guestName({ ...link, name }), name);
  }
  assertEquals(guestName({ ...link, name: "a\ufffdb" }), "a_b");
});
