/** Pod after pod, and several at once, on a CNI bridge: of none is anything left. */
import { assertEquals } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { atOnce } from "../support/at_once.ts";
import { Containerd } from "../support/containerd.ts";
import { rounds } from "../support/full.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { CniPod, hasCni, type Network } from "../support/net/cni.ts";
import { changes, settledChanges, settledState } from "../support/net/traces.ts";
import { withConfig } from "./transports.ts";

const BRIDGE = "kata-many0", STATE = "/run/kata-test-cni-many";
const IN_A_ROW = rounds(3, 30), AT_ONCE = rounds(2, 20), SEVERAL = 5;
const MACVTAP = withConfig([
  ...["[agent.kata]", "dial_timeout = 300"],
  ...["[runtime]", 'internetworking_model = "macvtap"'],
]);

/** With a port of the host's, so that there are rules to be left. */
function network(n: number): Network {
  const portMappings = [{ hostPort: 18200 + n, containerPort: 80, protocol: "tcp" }];
  return {
    name: "kata-many",
    plugins: [
      {
        ...{ type: "bridge", bridge: BRIDGE, isGateway: true, ipMasq: true },
        ipam: {
          ...{ type: "host-local", dataDir: STATE },
          ranges: [[{ subnet: "10.89.240.0/24" }], [{ subnet: "fd89:f0::/64" }]],
          routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true }, runtimeConfig: { portMappings } },
    ],
  };
}

/** What the runtime may have left in a pod's namespace. */
async function inside(pod: CniPod): Promise<string[]> {
  const names = ["link", "route"].map((what) => pod.run("ip", "-json", what));
  const disciplines = pod.run("tc", "-json", "qdisc");
  const lists = await Promise.all([...names, disciplines]);
  return lists.flatMap((text) => JSON.parse(text) as Record<string, unknown>[])
    .map(({ ifname, dst, kind, dev }) => [ifname, dst, kind, dev].join(" "));
}

async function runPod(containerd: Containerd, n: number): Promise<void> {
  const id = `many${n}`;
  await using pod = await CniPod.make(`kata-${id}`);
  await pod.add(network(n), "eth0");
  const before = await inside(pod);
  const flags = ["--with-ns", `network:${pod.path}`, ...(n % 2 === 0 ? [] : MACVTAP)];
  const { code, stdout, stderr } = await containerd.run(id, ["cat", "/proc/net/route"], {
    flags,
    timeoutMs: 400_000,
  });
  assertEquals([code, /^eth0\s+00000000/m.test(stdout)], [0, true], stderr);
  assertEquals(changes(before, await inside(pod)), []);
}

const ready = Deno.uid() === 0 && await hasCni();
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

Deno.test({ name: `many pods leave nothing${why}`, ignore: !ready }, async (test) => {
  await using _first = await CniPod.make("kata-many-first"); // ip(8) mounts a folder with the first namespace
  const leaksBefore = await snapshot();
  {
    await using undo = new AsyncDisposableStack();
    undo.defer(async () => {
      await command(["ip", "link", "del", BRIDGE]);
      await Deno.remove(STATE, { recursive: true });
    });
    const shared = undo.use(await CniPod.make("kata-many-shared"));
    await shared.add(network(99), "eth0");
    // What the plug-ins make once for all pods is there now: the bridge, and the chains that they share.
    const before = await settledState();
    await using containerd = await Containerd.start();
    await test.step(`${IN_A_ROW} one after the other`, async () => {
      for (let n = 0; n < IN_A_ROW; n++) await runPod(containerd, n);
    });
    await test.step(`${AT_ONCE}, ${SEVERAL} of them at once`, () =>
      atOnce(SEVERAL, AT_ONCE, (n) => runPod(containerd, IN_A_ROW + n)));
    assertEquals(await settledChanges(before), []);
  }
  assertEquals(await leaks(leaksBefore), []);
});
