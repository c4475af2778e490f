/** Networks that are wrong, that come late, and shims that die while they set one up. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
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

const STEPS: Readonly<Record<string, (id: string, pod: CniPod) => boolean | Promise<boolean>>> = {
  "its state is saved": (id) => stateOf(id) !== undefined,
  "the network is saved": (id) => stateOf(id)?.network !== undefined,
  "an interface is tied": async (_, pod) => (await traces(pod)).length > 0,
  "the VMM runs": (id) => (stateOf(id)?.vm?.processes.length ?? 0) > 0,
};

Deno.test(
  { name: `kill -9 of the shim while it sets up a network leaves nothing${why}`, ignore },
  async (test) => {
    await using pod = await CniPod.make("kata-test-kill");
    await addVeths(pod, 3);
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      let count = 0;
      for (const [step, reached] of Object.entries(STEPS)) {
        await test.step(`once ${step}`, async () => {
          const id = `kill${count++}`;
          const run = [
            "run",
            "--rm",
            "--runtime",
            SHIM_PATH,
            ...PATIENT,
            ...inPod(pod),
            BUSYBOX,
            id,
            "true",
          ];
          const ended = containerd.ctr(run);
          await moment(() => reached(id, pod));
          Deno.kill(stateOf(id)?.shim.pid ?? assert(false) as never, "SIGKILL");
          assertNotEquals((await ended).code, 0);
          await containerd.ctr(["container", "rm", id]);
          await moment(async () => (await traces(pod)).length === 0);
        });
      }
    }
    assertEquals(await leaks(before), []);
  },
);

/** A specification of busybox with a hook that makes an interface in the namespace of the state's pid. */
async function specWithHook(containerd: Containerd, folder: string): Promise<string> {
  const spec = JSON.parse(await containerd.ctrOutput(["oci", "spec"]));
  await Deno.mkdir(`${folder}/root/bin`, { recursive: true });
  for (const name of ["dev", "proc", "sys"]) await Deno.mkdir(`${folder}/root/${name}`);
  await Deno.copyFile("/bin/busybox", `${folder}/root/bin/busybox`);
  await Deno.symlink("busybox", `${folder}/root/bin/sh`);
  const script = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/')
net() { nsenter --net=/proc/$pid/ns/net -- "$@"; }
net ip link add hook0 type veth peer name hook1
net ip addr add 10.95.0.2/24 dev hook0
net ip link set hook0 up
`;
  await Deno.writeTextFile(`${folder}/hook`, script, { mode: 0o755 });
  spec.root = { path: `${folder}/root` };
  spec.process.args = ["/bin/busybox", "ip", "addr", "show", "hook0"];
  spec.process.terminal = false;
  spec.hooks = { createRuntime: [{ path: `${folder}/hook` }] };
  await Deno.writeTextFile(`${folder}/spec.json`, JSON.stringify(spec));
  return `${folder}/spec.json`;
}

Deno.test(
  { name: `what hooks put into a namespace without a path is in the guest${why}`, ignore },
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "kata-hook-" });
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const config = await specWithHook(containerd, folder);
      const run = ["run", "--rm", "--runtime", SHIM_PATH, ...PATIENT, "--config", config, "hooked"];
      const { stdout, stderr } = await containerd.ctr(run, { timeoutMs: 400_000 });
      assertMatch(stdout, /hook0[\s\S]*inet 10\.95\.0\.2\/24/, stderr);
    }
    await Deno.remove(folder, { recursive: true });
    assertEquals(await leaks(before), []);
    assertEquals(await output(["ip", "-o", "link", "show", "type", "veth"]), "");
  },
);
