import { assert, assertEquals } from "@std/assert";
import { findKit } from "../conformance/kit.ts";
import { atOnce } from "../support/at_once.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_NAME } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";

/** Containers that end one after another must not leave their shims behind. */
const CONTAINERS = 20;
/** How many of them at a time. */
const AT_ONCE = 4;

const kit = await findKit();
const title = kit
  ? "containerd 2"
  : "containerd 2 (not built: tools/conformance --prepare builds it)";

async function runMany(containerd: Containerd): Promise<void> {
  await atOnce(AT_ONCE, CONTAINERS, async (at) => {
    const { code, stderr } = await containerd.run(`many${at}`, ["true"], { runtime: SHIM_NAME });
    assertEquals([code, stderr], [0, ""]);
  });
}

Deno.test({ name: title, ignore: kit === undefined }, async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start({ program: `${kit?.bin}/containerd` });
    const id = "long";
    const exec = (name: string, ...args: readonly string[]) =>
      containerd.ctr(["task", "exec", "--exec-id", name, id, ...args]);

    await test.step("runs a container and returns its status", async () => {
      const { stdout, code } = await containerd.run("short", ["sh", "-c", "echo hi; exit 7"]);
      assertEquals([stdout, code], ["hi\n", 7]);
    });

    await test.step("runs an exec, before and after the daemon's restart", async () => {
      const run = ["run", "-d", "--runtime", SHIM_NAME, BUSYBOX, id, "sleep", "1000"];
      await containerd.ctrOutput(run);
      assertEquals((await exec("before", "sh", "-c", "exit 3")).code, 3);
      await containerd.restart();
      const { stdout } = await containerd.ctr(["task", "ls"]);
      assert(/long\s+\d+\s+RUNNING/.test(stdout), stdout);
      assertEquals((await exec("after", "echo", "back")).stdout, "back\n");
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", id]);
      const { stderr } = await containerd.ctr(["task", "rm", "-f", id]);
      assert(/non-zero exit code 137/.test(stderr), stderr);
      await containerd.ctrOutput(["container", "rm", id]);
    });

    await test.step(`leaves no shim behind after ${CONTAINERS} containers`, async () => {
      await runMany(containerd);
      assertEquals(await leaks(before), []);
    });
  }
  assertEquals(await leaks(before), []);
});
