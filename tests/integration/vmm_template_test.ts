/** Clones in VMMs that save their memory as a file: made once, each of its own, and where one cannot be, a boot. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { findKit } from "../conformance/kit.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background } from "./background.ts";
import { blockfileContainerd } from "./blockfile_containerd.ts";
import { TemplateFolder } from "./template_folder.ts";
import { type VmmCase, vmmCases } from "./vmm_cases.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "kata-vmms-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const VMMS = await vmmCases(FOLDER);
const kit = await findKit();

const BUILD_MS = 300_000;
const CLONED = "clone goes on until the agent answers";

/** Two clones at a time, each with randomness of its own. */
async function clones(containerd: Containerd, flags: readonly string[]): Promise<void> {
  const running = [], ids = new Set<string>();
  for (const id of ["one", "two"]) {
    running.push(await background(containerd, id, undefined, flags));
    const steps = await output([`${DIST}/kata-runtime`, "timeline", id]);
    assertStringIncludes(steps, CLONED);
    const read = ["task", "exec", "--exec-id", "e", id, "cat", "/proc/sys/kernel/random/boot_id"];
    ids.add(await containerd.ctrOutput(read));
  }
  assertEquals(ids.size, 2);
  for (const id of ["one", "two"]) {
    await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", id]);
  }
  for (const each of running) assertEquals((await each.finish()).code, 5);
}

/** A card comes by being plugged in, or the VM boots. */
async function withCard(vmm: VmmCase, containerd: Containerd, flags: readonly string[]) {
  await using undo = new AsyncDisposableStack();
  await output(["ip", "netns", "add", "kata-test-card"]);
  undo.defer(async () => void await output(["ip", "netns", "del", "kata-test-card"]));
  await output(["ip", "-n", "kata-test-card", "link", "add", "eth0", "type", "veth"]);
  await output(["ip", "-n", "kata-test-card", "addr", "add", "10.95.0.1/24", "dev", "eth0"]);
  await output(["ip", "-n", "kata-test-card", "link", "set", "eth0", "up"]);
  const netns = ["--with-ns", "network:/run/netns/kata-test-card"];
  const running = await background(containerd, "card", undefined, [...flags, ...netns]);
  const shown = ["task", "exec", "--exec-id", "e", "card", "ip", "addr"];
  assertStringIncludes(await containerd.ctrOutput(shown), "10.95.0.1/24");
  const steps = await output([`${DIST}/kata-runtime`, "timeline", "card"]);
  assertEquals(steps.includes(CLONED), vmm.name === "clh", steps);
  await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "card"]);
  assertEquals((await running.finish()).code, 5);
}

/** Builds a template, and has containers cloned from it. */
async function cloneIn(test: Deno.TestContext, vmm: VmmCase, snapshotter: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kata-vmm-" });
  try {
    await using templates = await TemplateFolder.make();
    await templates.configure(VMMS.lines(vmm).join("\n"));
    await using containerd = await blockfileContainerd(kit?.bin ?? "", folder);
    const flags = ["--snapshotter", snapshotter, ...templates.flags];
    await test.step("a template is built", async () => {
      const build = ["factory", "init", "--config", templates.config];
      const { code, stderr } = await command([`${DIST}/kata-runtime`, ...build], {
        timeoutMs: BUILD_MS,
      });
      assertEquals([code, stderr], [0, ""]);
    });
    await test.step("two clones at a time", () => clones(containerd, flags));
    await test.step("a network card", () => withCard(vmm, containerd, flags));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const vmm of VMMS.cases.filter(({ name, jailed }) => name !== "qemu" && !jailed)) {
  const why = vmm.absent || (kit ? "" : "not built: tools/conformance --prepare builds it");
  for (const snapshotter of vmm.shares ? ["overlayfs", "blockfile"] : ["blockfile"]) {
    Deno.test({
      name: `clones in ${vmm.name} with ${snapshotter}${why && ` (skipped: ${why})`}`,
      ignore: why !== "",
      fn: async (test) => {
        const before = await snapshot();
        await cloneIn(test, vmm, snapshotter);
        assertEquals(await leaks(before), []);
      },
    });
  }
}
