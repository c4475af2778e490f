/** The same containers in every VMM: what `ctr` does and sees differs in nothing but one line of the configuration. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { findKit } from "../conformance/kit.ts";
import type { Containerd } from "../support/containerd.ts";
import { cleanSteps } from "../support/clean_steps.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background } from "./background.ts";
import { blockfileContainerd } from "./blockfile_containerd.ts";
import { type VmmCase, vmmCases, vmmPid } from "./vmm_cases.ts";

/** How soon a client must learn that its container is no more, in milliseconds. */
const NOTICE_MS = 5_000;
const HOST = "10.96.0.1", GUEST = "10.96.0.2", PORT = 8080;

const FOLDER = await Deno.makeTempDir({ prefix: "kata-vmms-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const VMMS = await vmmCases(FOLDER);
const kit = await findKit();

/** Two snapshotters are there: folders for VMMs that can share them, and images of disks. */
interface Bench {
  readonly containerd: Containerd;
  readonly folder: string;
  /** Flags of `ctr run`: the VMM, and where root file systems come from. */
  readonly flags: readonly string[];
  /** The VMM counts what its devices do. */
  readonly counts: boolean;
}

async function runs({ containerd, flags }: Bench, root: RegExp): Promise<void> {
  const script = "grep ' / ' /proc/mounts; uname -r; echo said >&2; exit 7";
  const { code, stdout, stderr } = await containerd.run("run", ["sh", "-c", script], { flags });
  assertEquals([code, stderr], [7, "said\n"]);
  assertMatch(stdout, root);
  assertNotEquals(stdout.trim().split("\n").at(-1), (await output(["uname", "-r"])).trim());
}

async function execs({ containerd, flags, counts }: Bench): Promise<void> {
  const running = await background(containerd, "execs", undefined, flags);
  const exec = (id: string, args: string[], stdin?: string) =>
    containerd.ctr(
      ["task", "exec", "--exec-id", id, "execs", ...args],
      stdin === undefined ? {} : { stdin },
    );
  assertEquals((await exec("a", ["echo", "hello"])).stdout, "hello\n");
  assertEquals((await exec("b", ["sh", "-c", "exit 9"])).code, 9);
  const text = "x".repeat(200_000);
  assertEquals((await exec("c", ["wc", "-c"], text)).stdout.trim(), "200000");
  const metrics = await containerd.ctrOutput(["task", "metrics", "--format", "json", "execs"]);
  assertMatch(metrics, /"usage/);
  const figures = await output([`${DIST}/kata-runtime`, "metrics", "execs"]);
  assertEquals(/^kata_vmm_counter\{device="[^"]+",figure="[^"]+"\} \d+$/m.test(figures), counts);
  await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "execs"]);
  assertEquals((await running.finish()).code, 5);
}

/** Writes to a volume that is a disk, and reads it on the host. */
async function writesVolume({ containerd, flags, folder }: Bench): Promise<void> {
  const device = `${folder}/volume.img`, volume = `${folder}/volume`;
  await output(["mkfs.ext4", "-q", "-F", device, "32M"]);
  await Deno.mkdir(volume, { recursive: true });
  const add = JSON.stringify({ "volume-type": "block", device, fstype: "ext4" });
  await output([`${DIST}/kata-runtime`, "direct-volume", "add", volume, add]);
  try {
    const mount = ["--mount", `type=bind,src=${volume},dst=/v,options=rbind:rw`];
    const script = "grep ' /v ' /proc/mounts && echo kept >/v/file";
    const { code, stdout, stderr } = await containerd.run("volume", ["sh", "-c", script], {
      flags: [...flags, ...mount],
    });
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^\/dev\/[sv]d[a-z]+ \/v ext4 rw/);
  } finally {
    await output([`${DIST}/kata-runtime`, "direct-volume", "remove", volume]);
  }
  const point = `${folder}/point`;
  await Deno.mkdir(point, { recursive: true });
  await output(["mount", "-o", "loop,ro", device, point]);
  const text = await Deno.readTextFile(`${point}/file`).finally(() => output(["umount", point]));
  assertEquals(text, "kept\n");
}

/** A namespace with one end of a pair of cards, whose other end is ours. */
async function pairedNamespace(undo: AsyncDisposableStack): Promise<string> {
  const name = "kata-test-vmm";
  await output(["ip", "netns", "add", name]);
  undo.defer(async () => void await output(["ip", "netns", "del", name]));
  const inside = ["type", "veth", "peer", "name", "eth0", "netns", name];
  await output(["ip", "link", "add", "kata-vmm0", ...inside]);
  await output(["ip", "addr", "add", `${HOST}/24`, "dev", "kata-vmm0"]);
  await output(["ip", "link", "set", "kata-vmm0", "up"]);
  await output(["ip", "-n", name, "addr", "add", `${GUEST}/24`, "dev", "eth0"]);
  for (const link of ["lo", "eth0"]) await output(["ip", "-n", name, "link", "set", link, "up"]);
  return `/run/netns/${name}`;
}

async function answersNetwork({ containerd, flags }: Bench): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const namespace = ["--with-ns", `network:${await pairedNamespace(undo)}`];
  const serve = `echo up; while :; do echo from the guest | nc -l -p ${PORT}; done`;
  const running = await background(containerd, "net", serve, [...flags, ...namespace]);
  const { code, stdout } = await command(["busybox", "ping", "-c", "2", "-W", "10", GUEST]);
  assertEquals(code, 0, stdout);
  using connection = await Deno.connect({ hostname: GUEST, port: PORT });
  const answer = await new Response(connection.readable).text();
  assertEquals(answer, "from the guest\n");
  await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "net"]);
  await running.finish();
}

async function outlivesNothing({ containerd, flags }: Bench): Promise<void> {
  const running = await background(containerd, "dies", undefined, flags);
  const pid = await vmmPid("dies"), since = Date.now();
  Deno.kill(pid, "SIGKILL");
  assertNotEquals((await running.finish()).code, 0);
  assert(Date.now() - since < NOTICE_MS, `the client learnt it after ${Date.now() - since} ms`);
}

/** Ways in which a root file system comes to the guest. */
function roots({ shares }: VmmCase): { readonly snapshotter: string; readonly root: RegExp }[] {
  const folder = { snapshotter: "overlayfs", root: /^\S+ \/ (9p|virtiofs|overlay) / };
  const disk = { snapshotter: "blockfile", root: /^\/dev\/[sv]d[a-z]+ \/ ext4 / };
  return shares ? [folder, disk] : [disk];
}

for (const vmm of VMMS.cases) {
  const why = vmm.absent || (kit ? "" : "not built: tools/conformance --prepare builds it");
  for (const { snapshotter, root } of roots(vmm)) {
    Deno.test({
      name: `ctr with ${vmm.title} and ${snapshotter}${why && ` (skipped: ${why})`}`,
      ignore: why !== "",
      fn: async (test) => {
        const before = await snapshot();
        const folder = await Deno.makeTempDir({ prefix: "kata-vmm-" });
        try {
          await using containerd = await blockfileContainerd(kit?.bin ?? "", folder);
          const flags = ["--snapshotter", snapshotter, ...VMMS.flags(vmm)];
          const bench = { containerd, folder, flags, counts: vmm.name !== "qemu" };
          await cleanSteps(test, [
            ["output and status come back", () => runs(bench, root)],
            ["execs, streams and figures", () => execs(bench)],
            ["a volume that is a disk keeps what is written", () => writesVolume(bench)],
            ["the guest answers in the pod's network", () => answersNetwork(bench)],
            ["the VMM's end is its container's, and is told at once", () => outlivesNothing(bench)],
          ]);
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
        assertEquals(await leaks(before), []);
      },
    });
  }
}
