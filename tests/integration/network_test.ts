/** Pods on networks that CNI plug-ins make, seen from inside, from each other and from the host. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { CniPod, hasCni, type Network } from "../support/net/cni.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";
import { startPeer } from "./peer_container.ts";
import { withConfig } from "./transports.ts";

/** Bytes of the transfers; KATA_TEST_LONG makes them 1 GiB. */
const TRANSFER = Deno.env.get("KATA_TEST_LONG") ? 2 ** 30 : 32 * 2 ** 20;
/** An emulated guest on a busy machine may take long to boot. */
const PATIENT = withConfig(["[agent.kata]", "dial_timeout = 300"]);

const ipam = (...subnets: string[]) => ({
  type: "host-local",
  dataDir: "/run/kata-test-cni",
  ranges: subnets.map((subnet) => [{ subnet }]),
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
});

const BRIDGE: Network = {
  name: "kata-test",
  plugins: [
    {
      type: "bridge",
      bridge: "kata-test0",
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: ipam("10.97.0.0/24", "fd97::/64"),
    },
    { type: "tuning", mtu: 1400, mac: "02:97:00:00:00:07" },
    {
      type: "portmap",
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: [{ hostPort: 18080, containerPort: 8080, protocol: "tcp" }] },
    },
  ],
};
const PLAIN: Network = { name: "kata-test", plugins: BRIDGE.plugins.slice(0, 1) };
/** The same hardware address again, on a link of its own, and frames of nine kilobytes. */
const PTP: Network = {
  name: "kata-test-ptp",
  plugins: [
    {
      type: "ptp",
      mtu: 9000,
      ipam: { ...ipam("10.98.0.0/24"), routes: [{ dst: "10.198.0.0/16" }] },
    },
  ],
};
const MACVLAN: Network = {
  name: "kata-test-macvlan",
  plugins: [{
    type: "macvlan",
    master: "kata-test1",
    ipam: { ...ipam("10.99.0.0/24"), routes: [{ dst: "10.199.0.0/16", gw: "10.99.0.9" }] },
  }],
};
/** A name that a shell, an argument list or a careless parser would stumble over. */
const HOSTILE = `a";'$(x)\`&`;

/** The rules of all pods; portmap leaves the chains that they share for the next pod, whatever the runtime. */
async function rules(): Promise<string[]> {
  const list = await Promise.all(["iptables-save", "ip6tables-save"].map((tool) => output([tool])));
  const lines = list.flatMap((text) => text.split("\n")).filter((line) => line.startsWith("-A"));
  return lines.filter((line) => !line.includes("CNI-HOSTPORT") || line.includes("CNI-DN"));
}

/** Addresses of an interface as `ip -json` tells them, without those of the link. */
async function addresses(json: string, name: string): Promise<string[]> {
  const links = JSON.parse(json) as {
    ifname: string;
    addr_info: { local: string; prefixlen: number; scope: string }[];
  }[];
  const link = links.find(({ ifname }) => ifname === name);
  assert(link, `${name} is not among ${links.map(({ ifname }) => ifname)}`);
  return await Promise.resolve(
    link.addr_info.filter(({ scope }) => scope === "global").map(({ local, prefixlen }) =>
      `${local}/${prefixlen}`
    ),
  );
}

const ready = Deno.uid() === 0 && await hasCni();
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

Deno.test({ name: `pods on CNI networks${why}`, ignore: !ready }, async (test) => {
  const tools = await netPeerFolder();
  await using _first = await CniPod.make("kata-test-first"); // ip(8) mounts a folder with the first namespace
  const before = await snapshot(), rulesBefore = await rules();
  {
    await using undo = new AsyncDisposableStack();
    await output(["ip", "link", "add", "kata-test1", "type", "veth", "peer", "name", "kata-test2"]);
    undo.defer(async () => void await output(["ip", "link", "del", "kata-test1"]));
    for (const link of ["kata-test1", "kata-test2"]) {
      await output(["ip", "link", "set", link, "up"]);
    }
    await output(["ip", "addr", "add", "10.99.0.9/24", "dev", "kata-test2"]);
    undo.defer(async () => {
      await command(["ip", "link", "del", "kata-test0"]);
      await Deno.remove("/run/kata-test-cni", { recursive: true });
    });
    const one = undo.use(await CniPod.make("kata-test-a"));
    const other = undo.use(await CniPod.make("kata-test-b"));
    for (const pod of [one, other]) {
      await pod.add({ name: "lo", plugins: [{ type: "loopback" }] }, "lo");
    }
    await one.add(BRIDGE, "eth0");
    await other.add(PLAIN, "eth0");
    await other.add(PTP, "net1");
    await other.add(MACVLAN, "net2");
    await other.run("ip", "link", "set", "net2", "down");
    await other.run("ip", "link", "set", "net2", "name", HOSTILE, "up");
    await other.run("ip", "route", "replace", "10.199.0.0/16", "via", "10.99.0.9", "dev", HOSTILE);
    const mac = (await other.run("cat", "/sys/class/net/eth0/address")).trim();
    await other.run("ip", "link", "set", "net1", "address", mac);
    const batch = Array.from(
      { length: 9000 },
      (_, n) =>
        `route add 172.${16 + (n >> 12)}.${(n >> 4) & 255}.${
          (n & 15) * 16
        }/28 via 10.98.0.1 dev net1 metric ${n % 7}`,
    );
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, batch.join("\n"));
    await other.run("ip", "-batch", file);
    await Deno.remove(file);

    await using containerd = await Containerd.start();
    const [a, b] = await Promise.all([
      startPeer(containerd, "net-a", { netns: one.path, tools, flags: PATIENT }),
      startPeer(containerd, "net-b", { netns: other.path, tools, flags: PATIENT }),
    ]);
    const onHost = async (pod: CniPod, name: string) =>
      await addresses(await pod.run("ip", "-json", "addr"), name);
    const [v4 = "", v6 = ""] = (await onHost(one, "eth0")).map((text) => text.split("/")[0] ?? "");

    await test.step("the guest has the pod's addresses, MTU and hardware address", async () => {
      const shown = await a.exec("ip", "addr", "show", "eth0");
      for (const address of await onHost(one, "eth0")) assertStringIncludes(shown, address);
      assertMatch(shown, /mtu 1400[\s\S]*link\/ether 02:97:00:00:00:07/);
    });

    await test.step("three interfaces of three kinds, one of a hostile name, two of one hardware address", async () => {
      const shown = await b.exec("ip", "addr");
      for (const name of ["eth0", "net1", HOSTILE]) {
        assertStringIncludes(shown, `${name}: <`);
        for (const address of await onHost(other, name)) assertStringIncludes(shown, address);
      }
      assertEquals(shown.split(mac).length - 1, 2);
      assertMatch(shown, /net1: <[^>]*> mtu 9000/);
    });

    await test.step("routes, 9,000 of them, lead where they lead on the host", async () => {
      const count = async (text: string) => await Promise.resolve(text.trim().split("\n").length);
      const host = await other.run("ip", "route");
      assertEquals(await count(await b.exec("ip", "route")), await count(host));
      const way = async (to: string) =>
        (await b.exec("ip", "route", "get", to)).split("\n")[0] ?? "";
      assertStringIncludes(await way("10.198.0.1"), "dev net1");
      assertStringIncludes(await way("10.199.0.1"), `via 10.99.0.9 dev ${HOSTILE}`);
      assertStringIncludes(await way("172.16.0.17"), "via 10.98.0.1 dev net1");
      assertStringIncludes(await way("192.0.2.1"), "via 10.97.0.1 dev eth0");
    });

    await test.step("pods reach each other and the host, and the host them: TCP, UDP, ICMP, both families", async () => {
      for (const [address, gateway] of [[v4, "10.97.0.1"], [v6, "fd97::1"]] as const) {
        assertEquals(await b.exec("/peer/net_peer", "echo", address, "8080"), "echo\n");
        assertEquals(await b.exec("/peer/net_peer", "udp", address, "8080"), "udp\n");
        for (const to of [address, gateway]) {
          assertMatch(await b.exec("ping", "-c", "1", "-W", "5", to), / 0% packet loss/);
        }
        assertEquals(await output([`${tools}/net_peer`, "echo", address, "8080"]), "echo\n");
        assertEquals(await output([`${tools}/net_peer`, "udp", address, "8080"]), "udp\n");
        assertMatch(
          await output(["busybox", "ping", "-c", "1", "-W", "5", address]),
          / 0% packet loss/,
        );
      }
    });

    await test.step("a port that portmap publishes answers on the host", async () => {
      assertEquals(await output([`${tools}/net_peer`, "echo", "10.97.0.1", "18080"]), "echo\n");
    });

    await test.step("localhost of the pod's namespace is the guest's, and other ports are closed", async () => {
      for (const address of ["127.0.0.1", "::1"]) {
        assertEquals(await one.run(`${tools}/net_peer`, "echo", address, "8080"), "echo\n");
        assertMatch(await one.try(`${tools}/net_peer`, "echo", address, "8081"), /echo: /);
      }
      assertMatch(await one.run(`${tools}/net_peer`, "get", "127.0.0.1", "8080", "8e6"), / right/);
      assertMatch(await one.run(`${tools}/net_peer`, "put", "::1", "8080", "8e6"), / right/);
    });

    await test.step(`${TRANSFER / 2 ** 20} MiB come through each way unharmed`, async () => {
      for (const verb of ["get", "put"]) {
        assertMatch(
          await output([`${tools}/net_peer`, verb, v4, "8080", String(TRANSFER)], {
            timeoutMs: 600_000,
          }),
          / right/,
        );
      }
      const jumbo = (await onHost(other, "net1"))[0]?.split("/")[0] ?? "";
      assertMatch(await output([`${tools}/net_peer`, "get", jumbo, "8080", "3e7"]), / right/);
    });

    await test.step("an interface that comes later is plugged, and one that goes unplugged", async () => {
      await one.run("ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1");
      await one.run("ip", "addr", "add", "10.96.0.2/24", "dev", "late0");
      await one.run("ip", "link", "set", "late0", "up");
      await until(async () => (await a.exec("ip", "addr")).includes("10.96.0.2/24"));
      await one.run("ip", "addr", "add", "10.96.0.3/24", "dev", "late0");
      await until(async () => (await a.exec("ip", "addr")).includes("10.96.0.3/24"));
      await one.run("ip", "link", "del", "late0");
      await until(async () => !(await a.exec("ip", "addr")).includes("late0"));
    });

    await Promise.all([a.end(), b.end()]);
    for (const pod of [one, other]) {
      const links = await pod.run("ip", "-o", "link"), disciplines = await pod.run("tc", "qdisc");
      assert(!/kata-t/.test(links), links);
      assert(!/ingress/.test(disciplines), disciplines);
    }
  }
  assertEquals(await leaks(before), []);
  assertEquals(await rules(), rulesBefore);
});

/** Looks again until it is so; what is looked at is in the guest, which tells nobody of it. */
async function until(holds: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !await holds();) {
    assert(Date.now() < deadline, `not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
