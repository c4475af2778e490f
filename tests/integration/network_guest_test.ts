/** What an operator and the engine do with a guest's network: its packet filter, and the counters of its interfaces. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { addressesOf, CniPod, hasCni, type Network } from "../support/net/cni.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";
import { startPeer } from "./peer_container.ts";
import { withConfig } from "./transports.ts";

const ID = "guestnet", PORT = "8080";
const STATE = "/run/kata-test-cni-guest";
const BYTES = 4_000_000;

const ipam = (...subnets: string[]) => ({
  type: "host-local",
  dataDir: STATE,
  ranges: subnets.map((subnet) => [{ subnet }]),
});
const FIRST: Network = {
  name: "kata-guest-first",
  plugins: [{ type: "ptp", ipam: ipam("10.88.240.0/24", "fd88::/64") }],
};
const SECOND: Network = {
  name: "kata-guest-second",
  plugins: [{ type: "ptp", ipam: ipam("10.88.241.0/24") }],
};

async function agent(method: string, request: object): Promise<Record<string, unknown>> {
  const json = JSON.stringify(request);
  return JSON.parse(await output([`${DIST}/kata-runtime`, "agent-ctl", ID, method, json]));
}

async function rules(isIpv6: boolean): Promise<string> {
  const { data } = await agent("GetIPTables", { isIpv6 });
  return atob(String(data ?? ""));
}

function setting(isIpv6: boolean, text: string): object {
  return { isIpv6, data: btoa(text) };
}

/** The counters of an interface, as StatsContainer tells them. */
async function counters(name: string): Promise<{ rx: number; tx: number }> {
  const { networkStats } = await agent("StatsContainer", { containerId: ID });
  const list = networkStats as { name: string; rxBytes: string; txBytes: string }[];
  const found = list.find((each) => each.name === name);
  assert(found, `${name} is not among ${list.map((each) => each.name)}`);
  return { rx: Number(found.rxBytes), tx: Number(found.txBytes) };
}

/** A figure of `kata-runtime metrics`. */
async function metric(name: string, item: string): Promise<number> {
  const text = await output([`${DIST}/kata-runtime`, "metrics", ID]);
  const line = `kata_guest_netdev_stat{interface="${name}",item="${item}"} `;
  const found = text.split("\n").find((each) => each.startsWith(line));
  assert(found, `no ${line}`);
  return Number(found.slice(line.length));
}

const ready = Deno.uid() === 0 && await hasCni();
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

Deno.test({ name: `a guest's packet filter and counters${why}`, ignore: !ready }, async (test) => {
  const tools = await netPeerFolder();
  await using _first = await CniPod.make("kata-guest-first"); // ip(8) mounts a folder with the first namespace
  const before = await snapshot();
  {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => Deno.remove(STATE, { recursive: true }));
    const pod = undo.use(await CniPod.make("kata-guest"));
    await pod.add(FIRST, "eth0");
    await pod.add(SECOND, "net1");
    await using containerd = await Containerd.start();
    const flags = withConfig(["[agent.kata]", "dial_timeout = 300"]);
    const peer = await startPeer(containerd, ID, { netns: pod.path, tools, flags });
    const addresses = await addressesOf(pod, "eth0"),
      [second = ""] = await addressesOf(pod, "net1");
    const echo = async (address: string) =>
      (await command([`${tools}/net_peer`, "echo", address, PORT])).stdout;

    for (const [at, family] of ["IPv4", "IPv6"].entries()) {
      const v6 = at === 1, address = addresses[at] ?? "";
      await test.step(`SetIPTables has the guest's ${family} rules hold, GetIPTables tells them`, async () => {
        const rule = `-A INPUT -p tcp -m tcp --dport ${PORT} -j REJECT --reject-with tcp-reset`;
        await agent("SetIPTables", setting(v6, `*filter\n${rule}\nCOMMIT\n`));
        assertStringIncludes(await rules(v6), rule);
        assert(!(await rules(!v6)).includes(rule), "the other family has them too");
        assertEquals(await echo(address), "");
        await agent("SetIPTables", setting(v6, "*filter\nCOMMIT\n"));
        assert(!(await rules(v6)).includes("REJECT"));
        assertEquals(await echo(address), "echo\n");
      });
    }

    await test.step("rules that make no sense are refused by their line, and change nothing", async () => {
      const bad = setting(false, "*filter\n-A INPUT -j ACCEPT\n-A NOWHERE -j NOBODY\nCOMMIT\n");
      const argv = [`${DIST}/kata-runtime`, "agent-ctl", ID, "SetIPTables"] as const;
      const { code, stderr } = await command([...argv, JSON.stringify(bad)]);
      assertNotEquals(code, 0);
      assertMatch(stderr, /line:? 3|NOBODY|line 4/);
      assert(!(await rules(false)).includes("ACCEPT\n-A"));
    });

    await test.step("each interface counts its own traffic, for engines and for operators", async () => {
      const earlier = { eth0: await counters("eth0"), net1: await counters("net1") };
      const received = await metric("net1", "recv_bytes");
      assertMatch(await output([`${tools}/net_peer`, "put", second, PORT, `${BYTES}`]), / right/);
      assertMatch(
        await output([`${tools}/net_peer`, "get", addresses[0] ?? "", PORT, `${BYTES}`]),
        / right/,
      );
      const later = { eth0: await counters("eth0"), net1: await counters("net1") };
      assert(later.net1.rx - earlier.net1.rx >= BYTES, JSON.stringify({ earlier, later }));
      assert(later.eth0.tx - earlier.eth0.tx >= BYTES, JSON.stringify({ earlier, later }));
      assert(later.eth0.rx - earlier.eth0.rx < BYTES, JSON.stringify({ earlier, later }));
      assert(await metric("net1", "recv_bytes") - received >= BYTES);
      const shown = await containerd.ctrOutput(["task", "metrics", "--format", "json", ID]);
      const { network } = JSON.parse(shown) as { network: { name: string; rx_bytes: number }[] };
      const engines = network.find(({ name }) => name === "net1")?.rx_bytes ?? 0;
      assert(engines >= later.net1.rx, shown);
    });

    await peer.end();
  }
  assertEquals(await leaks(before), []);
});
