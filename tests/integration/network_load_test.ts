/** What a pod's network bears: a thousand short connections a second, and floods. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { note } from "../../tools/lib/terminal.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { addressesOf, CniPod, hasCni, type Network } from "../support/net/cni.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";
import { startPeer } from "./peer_container.ts";
import { withConfig } from "./transports.ts";

const BRIDGE = "kata-load0", STATE = "/run/kata-test-cni-load", PORT = "8080";
const GATEWAYS = ["10.91.0.1", "fd91::1"];
/** Short connections a second, and for how long; KATA_TEST_LONG makes it half a minute each way. */
const RATE = "1000", SECONDS = Deno.env.get("KATA_TEST_LONG") ? 30 : 2;
/** State and Kill may take no longer than that beside a flood, in milliseconds. */
const PROMPT_MS = 2_000;
const FLOOD_SECONDS = "8";

const NETWORK: Network = {
  name: "kata-load",
  plugins: [{
    ...{ type: "bridge", bridge: BRIDGE, isGateway: true },
    ipam: {
      ...{ type: "host-local", dataDir: STATE },
      ranges: [[{ subnet: "10.91.0.0/24" }], [{ subnet: "fd91::/64" }]],
    },
  }],
};

/** Every connection came back; how fast is told to whoever reads the log. */
function assertNoneLost(text: string): void {
  note(text.trim());
  assertMatch(text, new RegExp(`^${Number(RATE) * SECONDS} good 0 bad `));
}

/** A server on the host, until disposal. */
async function serveOnHost(tools: string): Promise<AsyncDisposable> {
  const child = new Deno.Command(`${tools}/net_peer`, { args: ["serve", PORT], stdout: "piped" })
    .spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}

const ready = Deno.uid() === 0 && await hasCni();
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

Deno.test({ name: `a pod's network under load${why}`, ignore: !ready }, async (test) => {
  const tools = await netPeerFolder();
  await using _first = await CniPod.make("kata-load-first"); // ip(8) mounts a folder with the first namespace
  const before = await snapshot();
  {
    await using undo = new AsyncDisposableStack();
    undo.defer(async () => {
      await command(["ip", "link", "del", BRIDGE]);
      await Deno.remove(STATE, { recursive: true });
    });
    const pod = undo.use(await CniPod.make("kata-load"));
    await pod.add(NETWORK, "eth0");
    await using containerd = await Containerd.start();
    const flags = withConfig(["[agent.kata]", "dial_timeout = 300"]);
    const peer = await startPeer(containerd, "load", { netns: pod.path, tools, flags });
    const addresses = await addressesOf(pod, "eth0");
    await using _server = await serveOnHost(tools);

    for (const [at, family] of ["IPv4", "IPv6"].entries()) {
      await test.step(`short connections to the pod by ${family}: none is lost`, async () => {
        const storm = [
          `${tools}/net_storm`,
          addresses[at] ?? "",
          PORT,
          RATE,
          `${SECONDS}`,
        ] as const;
        const { stdout, stderr } = await command(storm, { timeoutMs: 120_000 });
        assertNoneLost(stdout + stderr);
      });
      await test.step(`short connections from the pod by ${family}: none is lost`, async () => {
        const storm = ["/peer/net_storm", GATEWAYS[at] ?? "", PORT, RATE, `${SECONDS}`];
        assertNoneLost(await peer.exec(...storm));
      });
    }

    await test.step("a flood of datagrams from the guest delays neither State nor Kill", async () => {
      const flood = peer.exec("/peer/net_peer", "flood", GATEWAYS[0] ?? "", PORT, FLOOD_SECONDS);
      await untilReceived(pod, 1000);
      const state = await timed(() => containerd.ctrOutput(["task", "ls"]));
      const kill = await timed(() =>
        containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "load"])
      );
      const wait = await timed(() => flood); // ends with the pod, long before its time
      assert(
        state < PROMPT_MS && kill < PROMPT_MS && wait < 2 * PROMPT_MS,
        `State took ${state} ms, Kill ${kill} ms, the end ${wait} ms`,
      );
    });
    await peer.ended();
  }
  assertEquals(await leaks(before), []);
});

/** Waits until packets flow out of the pod. */
async function untilReceived(pod: CniPod, packets: number): Promise<void> {
  const sent = async (): Promise<number> => {
    const [link] = JSON.parse(await pod.run("ip", "-json", "-stats", "link", "show", "eth0"));
    return link.stats64.tx.packets;
  };
  const end = await sent() + packets;
  for (const deadline = Date.now() + 30_000; await sent() < end;) {
    assert(Date.now() < deadline, "no flood");
  }
}
