/** Containers in VMs that another program owns: the example of a remote hypervisor. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { findKit } from "../conformance/kit.ts";
import { Containerd } from "../support/containerd.ts";
import { cleanSteps } from "../support/clean_steps.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { serveRemote } from "../vmm/serve_remote.ts";
import { background } from "./background.ts";
import { pairedNamespace } from "./paired_namespace.ts";
import { withConfig } from "./transports.ts";

const NOTICE_MS = 5_000;
const PROGRAM = "vhost-device-vsock";

/** On PATH. */
async function whereIs(program: string): Promise<string> {
  return (await command(["sh", "-c", `command -v ${program}`])).stdout.trim();
}

const kit = await findKit();
const vsockDevice = await whereIs(PROGRAM);
const missing = kit
  ? vsockDevice === "" ? `${PROGRAM} is not installed` : ""
  : "not built: tools/conformance --prepare builds containerd 2.x";

interface Bench {
  readonly containerd: Containerd;
  readonly flags: readonly string[];
}

/** A containerd whose root file systems are disks: a remote VM has no shares. */
async function startContainerd(folder: string): Promise<Containerd> {
  const scratch = `${folder}/scratch.img`;
  await output(["mkfs.ext4", "-q", "-F", scratch, "64M"]);
  return await Containerd.start({
    program: `${kit?.bin}/containerd`,
    config: `[plugins."io.containerd.snapshotter.v1.blockfile"]
  root_path = "${folder}/snapshots"
  scratch_file = "${scratch}"
  fs_type = "ext4"`,
  });
}

function flagsFor(socket: string): string[] {
  const config = [
    ...["[hypervisor.remote]", `hypervisor_socket = "${socket}"`, "default_memory = 512"],
    ...["[agent.kata]", "dial_timeout = 120"],
  ];
  return ["--snapshotter", "blockfile", ...withConfig(config)];
}

async function runs({ containerd, flags }: Bench): Promise<void> {
  const script = "grep ' / ' /proc/mounts; echo said >&2; exit 7";
  const { code, stdout, stderr } = await containerd.run("run", ["sh", "-c", script], { flags });
  assertEquals([code, stderr], [7, "said\n"]);
  assertMatch(stdout, /^\/dev\/[sv]d[a-z]+ \/ ext4 /);
}

async function execs({ containerd, flags }: Bench): Promise<void> {
  const running = await background(containerd, "execs", undefined, flags);
  const exec = ["task", "exec", "--exec-id", "a", "execs", "wc", "-c"];
  const { stdout } = await containerd.ctr(exec, { stdin: "x".repeat(200_000) });
  assertEquals(stdout.trim(), "200000");
  await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "execs"]);
  assertEquals((await running.finish()).code, 5);
}

async function answersNetwork({ containerd, flags }: Bench): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const { path, guest } = await pairedNamespace("remote", undo);
  const namespace = ["--with-ns", `network:${path}`];
  const running = await background(containerd, "net", undefined, [...flags, ...namespace]);
  const { code, stdout } = await command(["busybox", "ping", "-c", "2", "-W", "10", guest]);
  assertEquals(code, 0, stdout);
  await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "net"]);
  await running.finish();
}

async function vmmPid(id: string): Promise<number> {
  const states = JSON.parse(await output([`${DIST}/kata-runtime`, "sandboxes", "--json"]));
  return states.find((each: { id: string }) => each.id === id).vm.processes[0].pid;
}

async function endsWithItsVm({ containerd, flags }: Bench): Promise<void> {
  const running = await background(containerd, "dies", undefined, flags);
  const pid = await vmmPid("dies"), since = Date.now();
  Deno.kill(pid, "SIGKILL");
  assertNotEquals((await running.finish()).code, 0);
  assert(Date.now() - since < NOTICE_MS, `the client learnt it after ${Date.now() - since} ms`);
}

async function namesTheKey({ containerd }: Bench): Promise<void> {
  const since = Date.now(), flags = flagsFor("/nonexistent/vms.sock");
  const { code, stderr } = await containerd.run("nobody", ["true"], { flags });
  assertNotEquals(code, 0);
  assert(Date.now() - since < NOTICE_MS);
  assertStringIncludes(stderr, 'hypervisor_socket = "/nonexistent/vms.sock"');
}

Deno.test({
  name: `ctr with a remote hypervisor${missing && ` (skipped: ${missing})`}`,
  ignore: missing !== "",
  // The example's process ends with this program.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (test) => {
    const before = await snapshot();
    const folder = await Deno.makeTempDir({ prefix: "kata-remote-" });
    try {
      const socket = await serveRemote(`${folder}/vms.sock`, { vsockDevice });
      await using containerd = await startContainerd(folder);
      const bench = { containerd, flags: flagsFor(socket) };
      await cleanSteps(test, [
        ["the root is a disk; output and status come back", () => runs(bench)],
        ["execs and their streams", () => execs(bench)],
        ["the guest answers in the pod's network", () => answersNetwork(bench)],
        ["the VMM's end is its container's, and is told at once", () => endsWithItsVm(bench)],
        ["a program that is not there is told by its key", () => namesTheKey(bench)],
      ]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    assertEquals(await leaks(before), []);
  },
});
