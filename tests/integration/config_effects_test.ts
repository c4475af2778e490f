/** Keys of the configuration whose effect shows in a running guest. */
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { compileC } from "../../tools/lib/c_program.ts";
import { command } from "../../tools/lib/command.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME } from "../support/oci_cli.ts";
import { withConfig } from "./transports.ts";

const ID = "configured";
const PIPE_BYTES = 16_384;
const GUEST_FOLDER = "/run/kata-containers/shared/containers/passthrough/sandbox-mounts";

Deno.test("sandbox_bind_mounts and container_pipe_size in a guest", async (test) => {
  const before = await snapshot();
  const folder = await Deno.makeTempDir({ prefix: "kata-effects-" });
  {
    await Deno.mkdir(`${folder}/writable`);
    await Deno.writeTextFile(`${folder}/certificates`, "of the node\n");
    await compileC("tests/support/pipe_size.c", `${folder}/pipe_size`);
    await using containerd = await Containerd.start();
    const config = withConfig([
      "[agent.kata]",
      "debug_console_enabled = true",
      `container_pipe_size = ${PIPE_BYTES}`,
      "[runtime]",
      `sandbox_bind_mounts = ["${folder}/certificates", "${folder}/writable:rw"]`,
    ]);
    const mount = `type=bind,src=${folder},dst=/host,options=rbind:ro`;
    await containerd.ctrOutput([
      ...["run", "-d", "--runtime", SHIM_PATH, ...config, "--mount", mount],
      ...[BUSYBOX, ID, "sleep", "1000"],
    ]);
    const inGuest = async (script: string): Promise<string> => {
      const argv = [KATA_RUNTIME, "exec", ID] as const;
      return (await command(argv, { stdin: `${script}; exit\n` })).stdout;
    };
    await test.step("the guest sees what the node shows to all, and writes where it may", async () => {
      const shown = await inGuest(`cat ${GUEST_FOLDER}/certificates`);
      assertStringIncludes(shown, "of the node");
      const denied = await inGuest(`echo x >${GUEST_FOLDER}/certificates`);
      assertMatch(denied, /Read-only file system/i);
      await inGuest(`echo guest >${GUEST_FOLDER}/writable/from`);
      assertEquals(await Deno.readTextFile(`${folder}/writable/from`), "guest\n");
    });
    await test.step("no container sees it", async () => {
      const exec = ["task", "exec", "--exec-id", "look", ID, "ls", GUEST_FOLDER];
      assertNotEquals((await containerd.ctr(exec)).code, 0);
    });
    await test.step("pipes of processes have the size that was asked for", async () => {
      const exec = ["task", "exec", "--exec-id", "pipe", ID, "/host/pipe_size"];
      assertEquals(await containerd.ctrOutput(exec), `${PIPE_BYTES}\n`);
    });
  }
  await Deno.remove(folder, { recursive: true });
  assertEquals(await leaks(before), []);
});

Deno.test("what cannot be had is refused by the key's name, and nothing is left", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const cases: Readonly<Record<string, readonly string[]>> = {
      "sandbox_bind_mounts": ["[runtime]", 'sandbox_bind_mounts = ["relative"]'],
      "/nosuch/file": ["[runtime]", 'sandbox_bind_mounts = ["/nosuch/file"]'],
      "indep_iothreads": ["[hypervisor.qemu]", "indep_iothreads = 2"],
      "default_bridges": ["[hypervisor.qemu]", "default_bridges = 3"],
      "overhead_memory": ["[hypervisor.qemu]", "overhead_memory = 64"],
    };
    for (const [named, lines] of Object.entries(cases)) {
      await test.step(named, async () => {
        const { code, stderr } = await containerd.run("refused", ["true"], {
          flags: withConfig(lines),
        });
        assertNotEquals(code, 0);
        assertStringIncludes(stderr, named);
      });
    }
  }
  assertEquals(await leaks(before), []);
});

const HUGE = "/proc/sys/vm/nr_hugepages";
/** Pages of 2 MiB for a VM of 512 MiB. */
const PAGES = 256;

function meminfo(name: string): number {
  const text = Deno.readTextFileSync("/proc/meminfo");
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? NaN);
}

/** Has the kernel keep huge pages; disposing lets it have them back. */
async function hugePages(): Promise<AsyncDisposable & { readonly enough: boolean }> {
  const before = await Deno.readTextFile(HUGE);
  await Deno.writeTextFile(HUGE, `${Number(before) + PAGES}`);
  const enough = meminfo("HugePages_Free") >= PAGES && meminfo("Hugepagesize") === 2048;
  return { enough, [Symbol.asyncDispose]: () => Deno.writeTextFile(HUGE, before) };
}

Deno.test("enable_hugepages: a VM's memory is of the host's huge pages, which it gives back", async (test) => {
  const before = await snapshot();
  {
    await using pages = await hugePages();
    await using containerd = await Containerd.start();
    const lines = ["enable_hugepages = true", "default_memory = 512", "default_maxmemory = 512"];
    const flags = withConfig(["[hypervisor.qemu]", ...lines]);
    const free = meminfo("HugePages_Free");
    await test.step({
      name: "with enough of them (skipped where the kernel has no room for them)",
      ignore: !pages.enough,
      fn: async () => {
        const run = ["run", "-d", "--runtime", SHIM_PATH, ...flags, BUSYBOX, ID, "sleep", "1000"];
        await containerd.ctrOutput(run);
        assertNotEquals(meminfo("HugePages_Free"), free);
        await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", ID]);
        await containerd.ctr(["task", "rm", "-f", ID]);
        await containerd.ctrOutput(["container", "rm", ID]);
        assertEquals(meminfo("HugePages_Free"), free);
      },
    });
    await test.step("without enough of them it does not start, and says so", async () => {
      const more = withConfig(["[hypervisor.qemu]", "enable_hugepages = true"]);
      const { code, stderr } = await containerd.run("poor", ["true"], { flags: more });
      assertNotEquals(code, 0);
      assertStringIncludes(stderr, "enable_hugepages");
    });
  }
  assertEquals(await leaks(before), []);
});
