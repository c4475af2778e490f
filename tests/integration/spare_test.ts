/** VMs that stand ready before anybody wants one (`vm_cache_number`). */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isAlive } from "../../common/linux/process.ts";
import type { VmProcess } from "../../runtime/hypervisor/vm_state.ts";
import { command, type CommandResult } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { ready, readySpares, SPARES } from "../support/spares.ts";
import { TemplateFolder } from "./template_folder.ts";

const GUEST_ID =
  "cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | hexdump -e '16/1 \"%02x\"'";

/** Who keeps a spare VM, and its VMM. */
function processesOf(key: string): { keeper: VmProcess; vmm: VmProcess } {
  const { keeper, vm } = JSON.parse(Deno.readTextFileSync(`${SPARES}/${key}/spare.json`));
  return { keeper, vmm: vm.processes[0] };
}

/** How many sandboxes had no VM that was there before. */
async function coldStarts(containerd: Containerd): Promise<number> {
  return (await containerd.log()).match(/msg="Sandbox starts cold"/g)?.length ?? 0;
}

async function factory(folder: TemplateFolder, action: string): Promise<CommandResult> {
  return await command([`${DIST}/kata-runtime`, "factory", action, "--config", folder.config]);
}

Deno.test("spare VMs: each is one sandbox's, and is replaced; what dies or does not fit is done without", async (test) => {
  const before = await snapshot();
  {
    await using folder = await TemplateFolder.make();
    await folder.configure("vm_cache_number = 2");
    await using containerd = await Containerd.start();
    const { flags } = folder;
    const run = (id: string, ...argv: [string, ...string[]]) => containerd.run(id, argv, { flags });

    await test.step("they are made beforehand", async () => {
      const { code, stderr } = await factory(folder, "init");
      assertEquals(code, 0, stderr);
      await ready(2);
      assertStringIncludes((await factory(folder, "status")).stdout, "\nspare VMs  2 of 2\n");
    });

    await test.step("a sandbox takes one, and another one comes in its place", async () => {
      const had = readySpares();
      const { stdout, code, stderr } = await run("one", "sh", "-c", "echo hi; exit 3");
      assertEquals([stdout, code, stderr], ["hi\n", 3, ""]);
      const has = await ready(2);
      assertEquals(has.filter((key) => had.includes(key)).length, 1);
      assertEquals(await coldStarts(containerd), 0);
    });

    await test.step("five at once: nobody shares one, and all are of their own", async () => {
      const told = await Promise.all(
        Array.from({ length: 5 }, (_, at) => run(`many${at}`, "sh", "-c", GUEST_ID)),
      );
      const words = told.flatMap(({ stdout }) => stdout.trim().split("\n"));
      assertEquals(told.map(({ code }) => code), [0, 0, 0, 0, 0]);
      assertEquals(new Set(words).size, 10);
      await ready(2);
    });

    await test.step("one whose VM is killed is gone, and whoever keeps it too", async () => {
      const [key = ""] = readySpares();
      Deno.kill(processesOf(key).vmm.pid, "SIGKILL");
      await ready(1);
    });

    await test.step("what a killed keeper leaves is not handed out, and removed by the next", async () => {
      const [key = ""] = readySpares();
      const { keeper, vmm } = processesOf(key);
      Deno.kill(keeper.pid, "SIGKILL");
      assertEquals((await run("after", "echo", "hi")).stdout, "hi\n");
      const has = await ready(2);
      assert(!has.includes(key), `${key} is among ${has}`);
      assert(!isAlive(vmm.pid, vmm.startTime));
    });

    await test.step("another configuration does without, and says so", async () => {
      await folder.configure("vm_cache_number = 1");
      assertEquals((await factory(folder, "init")).code, 0);
      await ready(1);
      await folder.configure("vm_cache_number = 0");
      assertEquals((await run("other", "echo", "hi")).stdout, "hi\n");
      assertMatch(await containerd.log(), /The spare VM is of no use.*vm_cache_number is 0/);
    });

    await test.step("none is wanted any more", async () => {
      const { code, stderr } = await factory(folder, "destroy");
      assertEquals(code, 0, stderr);
      assertEquals(readySpares(), []);
    });
  }
  assertEquals(await leaks(before), []);
});
