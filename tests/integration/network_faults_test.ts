/** Networks that are wrong, that come late, and shims that die while they set one up. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { CniPod } from "../support/net/cni.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { withConfig } from "./transports.ts";

const PATIENT = withConfig(["[agent.kata]", "dial_timeout = 300"]);
const SANDBOXES = "/run/kata-containers/sandboxes";
const ignore = Deno.uid() !== 0;
const why = ignore ? " (skipped: needs root)" : "";

function inPod({ path }: CniPod): string[] {
  return ["--with-ns", `network:${path}`];
}

async function addVeths(pod: CniPod, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await pod.run("ip", "link", "add", `eth${n}`, "type", "veth", "peer", "name", `peer${n}`);
    await pod.run("ip", "link", "set", `eth${n}`, "up");
  }
}

/** What of ours is in a namespace. */
async function traces(pod: CniPod): Promise<string[]> {
  const text = await pod.run("ip", "-o", "link") + await pod.run("tc", "qdisc");
  return text.split("\n").filter((line) => /kata-t|ingress|tbf/.test(line));
}

Deno.test(
  { name: `bad networks are refused by name and leave nothing${why}`, ignore },
  async (test) => {
    await using pod = await CniPod.make("kata-test-bad");
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const refused = async (
        id: string,
        flags: readonly string[],
        message: RegExp,
      ): Promise<void> => {
        const { code, stderr } = await containerd.run(id, ["true"], { flags });
        assertNotEquals(code, 0);
        assertMatch(stderr, message);
      };

      await test.step("a namespace that does not exist", () =>
        refused(
          "gone",
          ["--with-ns", "network:/run/netns/no-such"],
          /namespace "\/run\/netns\/no-such"/,
        ));

      await test.step("a file that is no namespace", () =>
        refused("file", ["--with-ns", "network:/etc/hostname"], /namespace "\/etc\/hostname"/));

      await test.step("the host's network, asked for or by its path", async () => {
        await refused("host", ["--net-host"], /host's network .* gets a network of its own/);
        await refused(
          "path",
          ["--with-ns", `network:/proc/${Deno.pid}/ns/net`],
          /it is the host's/,
        );
      });

      await test.step("64 interfaces", async () => {
        await addVeths(pod, 64);
        await refused("many", inPod(pod), /Cannot connect 64 network interfaces.* at most 56/);
        assertEquals(await traces(pod), []);
      });

      await test.step("nothing is left of what was refused", async () => {
        const left = (await leaks(before)).filter((line) => !line.includes(containerd.directory));
        assertEquals(left, []);
      });
    }
    assertEquals(await leaks(before), []);
  },
);

/** Resolves at the first moment at which it holds; what is watched tells nobody of its changes. */
async function moment(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !await holds();) {
    assert(Date.now() < deadline, "it never came to that");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

interface State {
  readonly shim: { readonly pid: number };
  readonly network?: unknown;
  readonly vm?: { readonly processes: readonly unknown[] };
}

function stateOf(id: string): State | undefined {
  try {
    const [key = ""] = [...Deno.readDirSync(SANDBOXES)].map(({ name }) => name)
      .filter((name) => name.startsWith(`${id}-`));
    return JSON.parse(Deno.readTextFileSync(`${SANDBOXES}/${key}/state.json`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What a step of the set-up can be seen by. */
interface Seen {
  readonly id: string;
  readonly pod: CniPod;
  readonly containerd: Containerd;
  /** What {@linkcode toldCount} was before the start. */
  readonly toldBefore: number;
}

/** How many guests have been told of their networks so far, as shims log it for a containerd that debugs. */
async function toldCount(containerd: Containerd): Promise<number> {
  return (await containerd.log()).split("The guest has the pod's network").length - 1;
}

/** A containerd whose shims say what they do. */
function startDebugging(): Promise<Containerd> {
  return Containerd.start({
    configText: (directory) =>
      `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${directory}/c.sock"
[debug]
  level = "debug"
`,
  });
}

type Step = (seen: Seen) => boolean | Promise<boolean>;

/** Macvtaps of ours are on the host, taps in the pod. */
async function isTied({ pod }: Seen): Promise<boolean> {
  const links = [...Deno.readDirSync("/sys/class/net")].map(({ name }) => name);
  return links.some((name) => name.startsWith("km")) || (await traces(pod)).length > 0;
}

/** In their order. */
const STEPS: Readonly<Record<string, Step>> = {
  "its state is saved": ({ id }) => stateOf(id) !== undefined,
  "the network is saved": ({ id }) => stateOf(id)?.network !== undefined,
  "an interface is tied": isTied,
  "the VMM runs": ({ id }) => (stateOf(id)?.vm?.processes.length ?? 0) > 0,
  "the guest has been told": async ({ containerd, toldBefore }) =>
    await toldCount(containerd) > toldBefore,
  "the container runs": async ({ containerd, id }) =>
    /RUNNING/.test(
      (await containerd.ctrOutput(["task", "ls"])).split("\n")
        .find((line) => line.startsWith(`${id} `)) ?? "",
    ),
};
const MODELS = ["tcfilter", "macvtap"];

/** Kills a start's shim at a step, and waits until nothing of it is left in the pod. */
async function killAt(
  step: Step,
  { id, pod, containerd }: Omit<Seen, "toldBefore">,
  flags: readonly string[],
): Promise<void> {
  const toldBefore = await toldCount(containerd);
  const run = ["run", "--rm", "--runtime", SHIM_PATH, ...flags, ...inPod(pod), BUSYBOX, id];
  const ended = containerd.ctr([...run, "sleep", "1000"], { timeoutMs: 400_000 });
  await moment(() => step({ id, pod, containerd, toldBefore }));
  Deno.kill(stateOf(id)?.shim.pid ?? assert(false) as never, "SIGKILL");
  assertNotEquals((await ended).code, 0);
  await containerd.ctr(["container", "rm", id]);
  await moment(async () => (await traces(pod)).length === 0);
}

Deno.test(
  { name: `kill -9 of the shim while it sets up a network leaves nothing${why}`, ignore },
  async (test) => {
    await using pod = await CniPod.make("kata-test-kill");
    await addVeths(pod, 3);
    const before = await snapshot();
    {
      await using containerd = await startDebugging();
      for (const model of MODELS) {
        const flags = withConfig([
          ...["[agent.kata]", "dial_timeout = 300"],
          ...["[runtime]", `internetworking_model = "${model}"`],
        ]);
        for (const [at, [step, reached]] of Object.entries(STEPS).entries()) {
          const id = `kill-${model}-${at}`;
          await test.step(`once ${step}, ${model}`, () =>
            killAt(reached, { id, pod, containerd }, flags));
        }
      }
    }
    assertEquals(await leaks(before), []);
  },
);

Deno.test(
  { name: `an interface that vanishes while the VM boots is not in the guest${why}`, ignore },
  async () => {
    await using pod = await CniPod.make("kata-test-vanish");
    await addVeths(pod, 2);
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const seen = { id: "vanish", pod, containerd, toldBefore: 0 };
      const script = "until ! ip -o addr | grep 10.95.1.2; do :; done; ip -o addr";
      await pod.run("ip", "addr", "add", "10.95.0.2/24", "dev", "eth0");
      await pod.run("ip", "addr", "add", "10.95.1.2/24", "dev", "eth1");
      const ended = containerd.run(seen.id, ["timeout", "60", "sh", "-c", script], {
        flags: [...PATIENT, ...inPod(pod)],
        timeoutMs: 400_000,
      });
      await moment(() => STEPS["the VMM runs"]?.(seen) ?? false);
      await pod.run("ip", "link", "del", "eth1");
      const { code, stdout, stderr } = await ended;
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /eth0 +inet 10\.95\.0\.2/);
      assertEquals(await traces(pod), []);
    }
    assertEquals(await leaks(before), []);
  },
);
