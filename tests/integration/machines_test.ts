/** The same containers on each machine that QEMU emulates: one line of the configuration is all that differs. */
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
import { background, pidsOf } from "./background.ts";
import { pairedNamespace } from "./paired_namespace.ts";
import { TemplateFolder } from "./template_folder.ts";
import { withHypervisor } from "./transports.ts";

/** How soon a client must learn that its container is no more, in milliseconds. */
const NOTICE_MS = 5_000;
const MACHINES = ["nemu", "microvm"] as const;

interface Bench {
  readonly containerd: Containerd;
  readonly folder: string;
  readonly flags: readonly string[];
}

/** Words of a VMM's command line. */
async function argvOf(pid: number): Promise<string[]> {
  return (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0");
}

async function runs({ containerd, flags }: Bench): Promise<void> {
  const script = "uname -r; sleep 0.1; echo said >&2; exit 7";
  const { code, stdout, stderr } = await containerd.run("run", ["sh", "-c", script], { flags });
  assertEquals([code, stderr], [7, "said\n"]);
  assertNotEquals(stdout, await output(["uname", "-r"]));
}

async function execs({ containerd, flags }: Bench): Promise<void> {
  const running = await background(containerd, "execs", undefined, flags);
  const exec = ["task", "exec", "--exec-id", "a", "execs", "wc", "-c"];
  const { stdout } = await containerd.ctr(exec, { stdin: "x".repeat(200_000) });
  assertEquals(stdout.trim(), "200000");
  await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "execs"]);
  assertEquals((await running.finish()).code, 5);
}

/** A volume that is plugged in as a disk, and read on the host afterwards. */
async function writesVolume({ containerd, flags, folder }: Bench): Promise<void> {
  const device = `${folder}/volume.img`, volume = `${folder}/volume`, point = `${folder}/point`;
  await output(["mkfs.ext4", "-q", "-F", device, "32M"]);
  for (const path of [volume, point]) await Deno.mkdir(path);
  const add = JSON.stringify({ "volume-type": "block", device, fstype: "ext4" });
  await output([`${DIST}/kata-runtime`, "direct-volume", "add", volume, add]);
  try {
    const mount = ["--mount", `type=bind,src=${volume},dst=/v,options=rbind:rw`];
    const script = "grep ' /v ' /proc/mounts && echo kept >/v/file";
    const run = { flags: [...flags, ...mount] };
    const { code, stdout, stderr } = await containerd.run("volume", ["sh", "-c", script], run);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^\/dev\/[sv]d[a-z]+ \/v ext4 rw/);
  } finally {
    await output([`${DIST}/kata-runtime`, "direct-volume", "remove", volume]);
  }
  await output(["mount", "-o", "loop,ro", device, point]);
  const text = await Deno.readTextFile(`${point}/file`).finally(() => output(["umount", point]));
  assertEquals(text, "kept\n");
}

async function answersNetwork({ containerd, flags }: Bench): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const { path, guest } = await pairedNamespace("machines", undo);
  const namespace = ["--with-ns", `network:${path}`];
  const running = await background(containerd, "net", undefined, [...flags, ...namespace]);
  const { code, stdout } = await command(["busybox", "ping", "-c", "2", "-W", "10", guest]);
  assertEquals(code, 0, stdout);
  await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "net"]);
  await running.finish();
}

async function tellsPanic({ containerd, flags }: Bench, id: string): Promise<void> {
  const script =
    "trap 'echo c >/proc/sysrq-trigger' TERM; echo up; while :; do sleep 9 & wait; done";
  const running = await background(containerd, id, script, ["--privileged", ...flags]);
  const since = Date.now();
  await containerd.ctr(["task", "kill", "-s", "SIGTERM", id]); // it need not live to answer
  assertNotEquals((await running.finish()).code, 0);
  assert(Date.now() - since < NOTICE_MS, `the client learnt it after ${Date.now() - since} ms`);
  const log = await containerd.log();
  assertStringIncludes(log, "the guest's kernel panicked");
  assertStringIncludes(log, "sysrq triggered crash");
}

async function inTemporaryFolder(
  config: readonly string[],
  use: (bench: Bench) => Promise<void>,
): Promise<void> {
  const before = await snapshot();
  const folder = await Deno.makeTempDir({ prefix: "kata-machine-" });
  try {
    await using containerd = await Containerd.start();
    await use({ containerd, folder, flags: withHypervisor(...config) });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assertEquals(await leaks(before), []);
}

for (const machine of MACHINES) {
  const config = [`machine_type = "${machine}"`, "default_memory = 512"];
  Deno.test(`ctr on ${machine}`, (test) =>
    inTemporaryFolder(config, async (bench) => {
      const steps: [string, () => Promise<void>][] = [
        ["output and status come back", () => runs(bench)],
        ["execs and their streams", () => execs(bench)],
        ["a volume that is a disk keeps what is written", () => writesVolume(bench)],
        ["the guest answers in the pod's network", () => answersNetwork(bench)],
        ["a panic of the guest is told for what it is", () => tellsPanic(bench, "panics")],
      ];
      for (const [name, work] of steps) {
        await test.step(name, async () => {
          const since = await snapshot();
          await work();
          assertEquals(await leaks(since), []);
        });
      }
    }));

  Deno.test(`clones on ${machine}`, async () => {
    const before = await snapshot();
    {
      await using folder = await TemplateFolder.make();
      await folder.configure(`[hypervisor.qemu]\n${config.join("\n")}`);
      await output([`${DIST}/kata-runtime`, "factory", "init", "--config", folder.config], {
        timeoutMs: 300_000,
      });
      await using containerd = await Containerd.start();
      await using undo = new AsyncDisposableStack();
      const { path, guest } = await pairedNamespace("clones", undo);
      const flags = [...folder.flags, "--with-ns", `network:${path}`];
      const running = await background(containerd, "cloned", undefined, flags);
      assert((await argvOf((await pidsOf("cloned")).vmm)).includes("-incoming"), "it booted");
      const { code, stdout } = await command(["busybox", "ping", "-c", "2", "-W", "10", guest]);
      assertEquals(code, 0, stdout);
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "cloned"]);
      await running.finish();
    }
    assertEquals(await leaks(before), []);
  });
}

Deno.test("a panic of a q35's guest is told for what it is", () =>
  inTemporaryFolder(["default_memory = 512"], (bench) => tellsPanic(bench, "panics")));

Deno.test("a guest has the NUMA nodes that the configuration names", () =>
  inTemporaryFolder(
    [
      "enable_numa = true",
      'numa_mapping = ["0", "0"]',
      "default_memory = 512",
      "default_vcpus = 2",
    ],
    async ({ containerd, flags }) => {
      const script = "cd /sys/devices/system/node; cat online node0/cpulist node1/cpulist";
      const { code, stdout } = await containerd.run("numa", ["sh", "-c", script], { flags });
      assertEquals([code, stdout], [0, "0-1\n0\n1\n"]);
    },
  ));

Deno.test("a node or a huge page that the host does not have is refused by its key", () =>
  inTemporaryFolder([], async ({ containerd }) => {
    const refused = async (id: string, ...config: string[]): Promise<string> => {
      const flags = withHypervisor(...config), since = Date.now();
      const { code, stderr } = await containerd.run(id, ["true"], { flags });
      assertNotEquals(code, 0);
      assert(Date.now() - since < NOTICE_MS);
      return stderr;
    };
    const nodes = await refused("nodes", "enable_numa = true", 'numa_mapping = ["1023"]');
    assertStringIncludes(nodes, "numa_mapping: the host has no node 1023");
    const pages = await refused("pages", "enable_hugepages = true", "default_memory = 65536");
    assertStringIncludes(pages, "enable_hugepages = true: ");
  }));
