import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { MNT_DETACH, mount, unmount } from "../../../common/linux/mount.ts";
import { reaper } from "../../../common/linux/reaper.ts";
import { spawn } from "../../../common/linux/spawn.ts";
import { hierarchies, makeCgroup, pathOf } from "./hierarchy.ts";
import { homeIn } from "./home.ts";
import { PodCpuset } from "./pod_cpuset.ts";
import { removeCgroups } from "./remove.ts";
import { type CgroupPlan, cgroupsOf, SandboxCgroup } from "./sandbox_cgroup.ts";

const ROOT = Deno.uid() === 0;

function planFor(podOnly: boolean): CgroupPlan {
  const key = `kata_test-${Deno.pid}`;
  return { pod: ["kata-test", "pod1", key], overhead: ["kata-test", "overhead", key], podOnly };
}

/** The host's own hierarchies, and a real one of version 2, whatever the host uses. */
async function each(body: (root: string) => Promise<void>): Promise<void> {
  await body("/sys/fs/cgroup");
  const root = await Deno.makeTempDir({ prefix: "kata-cgroup2-" });
  mount("none", root, "cgroup2", 0);
  try {
    await body(root);
  } finally {
    unmount(root, MNT_DETACH);
    await Deno.remove(root);
  }
}

/** Removes what the tests made on the way to their cgroups. */
function sweep(root: string): void {
  for (const hierarchy of hierarchies(root)) {
    for (const path of ["kata-test/pod1", "kata-test/overhead", "kata-test"]) {
      try {
        Deno.removeSync(`${hierarchy.root}/${path}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

function members(root: string, names: readonly string[]): number[][] {
  return hierarchies(root).map((hierarchy) =>
    Deno.readTextFileSync(`${hierarchy.root}/${names.join("/")}/cgroup.procs`).trim().split("\n")
      .map(Number)
  );
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !ROOT, sanitizeOps: false, sanitizeResources: false, fn });
}

test("SandboxCgroup holds the shim and what it starts, in every hierarchy, and leaves nothing", () =>
  each(async (root) => {
    const plan = planFor(true);
    const homes = hierarchies(root).map((hierarchy) => homeIn(hierarchy).join("/"));
    let child = 0;
    {
      await using _cgroup = await SandboxCgroup.enter(plan, root);
      child = spawn({ argv: ["/bin/sleep", "60"] });
      for (const pids of members(root, plan.pod)) {
        assert(pids.includes(Deno.pid) && pids.includes(child), pids.join());
      }
    }
    assertEquals((await reaper().exit(child)).signal, 9); // it would have kept the cgroup
    assertEquals(hierarchies(root).map((hierarchy) => homeIn(hierarchy).join("/")), homes);
    await removeCgroups(cgroupsOf(plan), root);
    sweep(root); // throws where a cgroup is left below
  }));

test("SandboxCgroup keeps what is not the VM's out of the pod's cgroup where it shall", () =>
  each(async (root) => {
    const plan = planFor(false);
    const folder = await Deno.makeTempDir({ prefix: "kata-vcpu-" });
    await Deno.symlink("/bin/sleep", `${folder}/vcpu0`); // the kernel calls its thread after that
    const vmm = spawn({ argv: [`${folder}/vcpu0`, "60"] });
    {
      await using cgroup = await SandboxCgroup.enter(plan, root);
      await cgroup.addVcpus(vmm);
      assert(members(root, plan.overhead).every((pids) => pids.includes(Deno.pid)));
      const inPod = members(root, plan.pod).map((pids) => pids.includes(vmm));
      const versions = hierarchies(root).map(({ version }) => version);
      // A hybrid host's tree of version 2 holds no controllers, and cannot tell threads apart.
      assertEquals(inPod, versions.map((version) => version === 1 || versions.length === 1));
    }
    await reaper().exit(vmm);
    await Deno.remove(folder, { recursive: true });
    sweep(root);
  }));

test("a pod's processors follow its containers', together", async () => {
  const plan = planFor(true);
  const read = async (): Promise<string> => {
    const files = hierarchies().map(({ root }) => `${root}/${plan.pod.join("/")}/cpuset.cpus`);
    const texts = await Promise.allSettled(files.map((file) => Deno.readTextFile(file)));
    const [text] = texts.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
    return text?.trim() ?? "no hierarchy has processors";
  };
  {
    await using cgroup = await SandboxCgroup.enter(plan);
    const before = await read();
    const pod = new PodCpuset();
    await pod.change(cgroup, "none", {});
    assertEquals(await read(), before);
    await pod.change(cgroup, "a", { cpu: { cpus: "0" } });
    await pod.change(cgroup, "b", { cpu: { shares: 2 } });
    assertEquals(await read(), "0");
    await assertRejects(
      () => pod.change(cgroup, "b", { cpu: { cpus: "4000" } }),
      RuntimeError,
      'cpuset.cpus = "0,4000"',
    );
    pod.remove("a");
    pod.remove("b");
    await pod.change(cgroup, "none", {});
    assertEquals(await read(), before);
  }
  sweep("/sys/fs/cgroup");
});

test("removeCgroups removes what a killed shim left, from its names alone", () =>
  each(async (root) => {
    const plan = planFor(false);
    for (const hierarchy of hierarchies(root)) {
      for (const names of cgroupsOf(plan)) makeCgroup(hierarchy, names)[Symbol.dispose]();
    }
    await removeCgroups(cgroupsOf(plan), root);
    await removeCgroups(cgroupsOf(plan), root);
    sweep(root);
  }));

test("makeCgroup follows no link out of its hierarchy", async () => {
  const root = await Deno.makeTempDir({ prefix: "kata-cgroup-link-" });
  await Deno.symlink("/tmp", `${root}/evil`);
  const made = (): unknown => makeCgroup({ root, version: 1 }, ["evil", "kata-test"]);
  assertThrows(made, Error, "ELOOP");
  await Deno.remove(root, { recursive: true });
});

const CPUSET = hierarchies().find(({ root }) => /\bcpuset\b/.test(root.replace(/.*\//, "")));

Deno.test({
  name: "a new cpuset has its parent's processors, so that it takes processes",
  ignore: !ROOT || CPUSET === undefined,
  fn: async () => {
    if (CPUSET === undefined) throw new Error("unreachable: ignored");
    const names = ["kata-test", `kata_cpus-${Deno.pid}`];
    using cgroup = makeCgroup(CPUSET, names);
    const own = await Deno.readTextFile(`${pathOf(cgroup)}/cpuset.cpus`);
    assertEquals(own, await Deno.readTextFile(`${CPUSET.root}/cpuset.cpus`));
    await removeCgroups([names]);
    sweep("/sys/fs/cgroup");
  },
});
