import { assert, assertEquals, assertMatch } from "@std/assert";
import { kill } from "../../common/linux/process.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background, pidsOf } from "./background.ts";
import { withConfig } from "./transports.ts";

/** Where a process is, in each hierarchy that has controllers, by its name. */
function cgroupsOf(pid: number): Map<string, string> {
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n");
  const fields = lines.map((line) => line.split(":"));
  const unified = fields.length === 1;
  return new Map(
    fields.filter(([, name]) => unified || name !== "").map(([, name, path]) =>
      [name ?? "", path ?? ""] as const
    ),
  );
}

async function relayOf(containerd: Containerd, id: string): Promise<number> {
  return Number((await containerd.ctrOutput(["task", "ls"])).match(RegExp(`${id}\\s+(\\d+)`))?.[1]);
}

Deno.test("the host's cgroups of a sandbox", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();

    await test.step("shim, VMM and relay live beside the container's own, and leave nothing", async () => {
      const child = await background(containerd, "all");
      const { shim, vmm } = await pidsOf("all");
      for (const pid of [shim, vmm, await relayOf(containerd, "all")]) {
        for (const path of cgroupsOf(pid).values()) assertMatch(path, /^\/default\/kata_all-\w+$/);
      }
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "all"]);
      await child.finish();
      assertEquals(await leaks(before), []);
    });

    await test.step("of the VMM only the CPUs' threads do, where it is configured so", async () => {
      const flags = withConfig(["[runtime]", "sandbox_cgroup_only = false"]);
      const child = await background(containerd, "cpus", undefined, flags);
      const { shim, vmm } = await pidsOf("cpus");
      for (const path of cgroupsOf(shim).values()) assertMatch(path, /^\/kata_overhead\/cpus-/);
      const threads = [...Deno.readDirSync(`/proc/${vmm}/task`)].map(({ name }) =>
        cgroupsOf(Number(name)).get("cpu") ?? cgroupsOf(Number(name)).get("") ?? ""
      );
      const inPod = threads.filter((path) => path.startsWith("/default/kata_cpus-"));
      assert(inPod.length >= 1, threads.join());
      const unified = cgroupsOf(vmm).has("");
      assertEquals(inPod.length === threads.length, unified, threads.join());
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "cpus"]);
      await child.finish();
      assertEquals(await leaks(before), []);
    });

    await test.step("they go with a shim that is killed", async () => {
      const child = await background(containerd, "killed");
      const { shim } = await pidsOf("killed");
      kill(shim, "SIGKILL");
      await child.finish();
      assertEquals(await leaks(before), []);
    });
  }
  assertEquals(await leaks(before), []);
});
