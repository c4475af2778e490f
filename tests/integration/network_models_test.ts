/** Both ways from a pod's interface into its VM, with the limits of CNI's bandwidth plug-in and our own. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { addressesOf, CniPod, hasCni, type Network } from "../support/net/cni.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";
import { pidsOf } from "./background.ts";
import { type PeerContainer, startPeer } from "./peer_container.ts";
import { withConfig } from "./transports.ts";

const BRIDGE = "kata-model0", GATEWAYS = ["10.95.0.1", "fd95::1"];
const RATE_BITS = 16_000_000, BURST_BITS = 1_000_000;
/** What is carried under a limit, and how long that takes at the least: less what a burst lets through. */
const BYTES = 8_000_000, LEAST_MS = (BYTES * 8 - 4 * BURST_BITS) / RATE_BITS * 1000 / 2;

const NETWORK: Network = {
  name: "kata-model",
  plugins: [{
    ...{ type: "bridge", bridge: BRIDGE, isGateway: true },
    ipam: {
      ...{ type: "host-local", dataDir: "/run/kata-test-cni-models" },
      ranges: [[{ subnet: "10.95.0.0/24" }], [{ subnet: "fd95::/64" }]],
    },
  }],
};
const LIMITED: Network = {
  ...NETWORK,
  plugins: [...NETWORK.plugins, {
    ...{ type: "bandwidth", ingressRate: RATE_BITS, ingressBurst: BURST_BITS },
    ...{ egressRate: RATE_BITS, egressBurst: BURST_BITS },
  }],
};

/** How long bytes take, either way. */
async function transferMs(tools: string, verb: "get" | "put", address: string): Promise<number> {
  const started = performance.now();
  assertMatch(await output([`${tools}/net_peer`, verb, address, "8080", `${BYTES}`]), / right/);
  return performance.now() - started;
}

async function reaches(peer: PeerContainer, tools: string, addresses: string[]): Promise<void> {
  for (const [at, address] of addresses.entries()) {
    assertEquals(await output([`${tools}/net_peer`, "echo", address, "8080"]), "echo\n");
    assertEquals(await output([`${tools}/net_peer`, "udp", address, "8080"]), "udp\n");
    assertMatch(
      await peer.exec("ping", "-c", "1", "-W", "5", GATEWAYS[at] ?? ""),
      / 0% packet loss/,
    );
  }
}

interface Case {
  readonly name: string;
  readonly lines: readonly string[];
  readonly network: Network;
  readonly limited: boolean;
  /** Of the card, each way. */
  readonly queues?: number;
}

/** Our own limits are of the host's side: what the VM receives, and what it sends. */
const RATES = [
  `rx_rate_limiter_max_rate = ${RATE_BITS}`,
  `tx_rate_limiter_max_rate = ${RATE_BITS}`,
];
const QUEUES = ["default_vcpus = 2", "network_queues = 2"];
const CASES: readonly Case[] = [
  { name: "tcfilter", lines: [], network: NETWORK, limited: false },
  { name: "macvtap", lines: [], network: NETWORK, limited: false },
  { name: "tcfilter, limited by CNI", lines: [], network: LIMITED, limited: true },
  { name: "macvtap, limited by CNI", lines: [], network: LIMITED, limited: true },
  { name: "tcfilter, limited by us", lines: RATES, network: NETWORK, limited: true },
  { name: "tcfilter, two queues", lines: QUEUES, network: NETWORK, limited: false, queues: 2 },
  { name: "macvtap, two queues", lines: QUEUES, network: NETWORK, limited: false, queues: 2 },
];

async function tryCase(containerd: Containerd, tools: string, each: Case): Promise<void> {
  await using pod = await CniPod.make("kata-model");
  await pod.add(each.network, "eth0");
  const [model = ""] = each.name.split(",");
  const config = [
    "[hypervisor.qemu]",
    ...each.lines,
    "[runtime]",
    `internetworking_model = "${model}"`,
  ];
  const flags = withConfig(config);
  const peer = await startPeer(containerd, "model", { netns: pod.path, tools, flags });
  const addresses = await addressesOf(pod, "eth0");
  assertEquals(addresses.length, 2);
  await reaches(peer, tools, addresses);
  const queues = await peer.exec("sh", "-c", "cd /sys/class/net/eth0/queues && echo rx-*");
  assertEquals(queues.trim().split(" ").length, each.queues ?? 1);
  for (const verb of ["get", "put"] as const) {
    const ms = await transferMs(tools, verb, addresses[0] ?? "");
    assert(!each.limited || ms > LEAST_MS, `${verb}: only ${ms} ms`);
  }
  await peer.end();
}

/** The pod has its interface, the guest its loopback interface alone. */
async function tryNone(containerd: Containerd, tools: string, outside: boolean): Promise<void> {
  await using pod = await CniPod.make("kata-model");
  await pod.add(NETWORK, "eth0");
  const flags = withConfig([
    ...["[runtime]", 'internetworking_model = "none"', `disable_new_netns = ${outside}`],
  ]);
  const peer = await startPeer(containerd, "model", { netns: pod.path, tools, flags });
  const links = await peer.exec("ls", "/sys/class/net");
  assertEquals(links.split("\n").filter((name) => /^(eth|en)/.test(name)), []);
  const home = await Deno.readLink("/proc/self/ns/net");
  const { vmm } = await pidsOf("model");
  assertEquals(await Deno.readLink(`/proc/${vmm}/ns/net`) === home, outside);
  await peer.end();
}

const ready = Deno.uid() === 0 && await hasCni();
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

Deno.test({ name: `ways from a pod's interface to its VM${why}`, ignore: !ready }, async (test) => {
  const tools = await netPeerFolder();
  await using _first = await CniPod.make("kata-model-first"); // ip(8) mounts a folder with the first namespace
  const before = await snapshot();
  {
    await using undo = new AsyncDisposableStack();
    undo.defer(async () => {
      await command(["ip", "link", "del", BRIDGE]);
      await Deno.remove("/run/kata-test-cni-models", { recursive: true });
    });
    await using containerd = await Containerd.start();
    for (const each of CASES) {
      await test.step(each.name, () => tryCase(containerd, tools, each));
    }
    for (const outside of [false, true]) {
      const which = outside ? "none, the VMM outside of the pod's network" : "none";
      await test.step(which, () => tryNone(containerd, tools, outside));
    }
    await test.step("a VMM outside of the pod's network, which it is to reach, is refused", async () => {
      const flags = withConfig(["[runtime]", "disable_new_netns = true"]);
      const { code, stderr } = await containerd.run("outside", ["true"], { flags });
      assertNotEquals(code, 0);
      assertMatch(stderr, /disable_new_netns = true: .*internetworking_model = .*"none"/);
    });
  }
  assertEquals(await leaks(before), []);
});
