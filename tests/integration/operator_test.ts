import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, type CommandResult } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { withConfig } from "./transports.ts";

const ID = "operated";

function kata(args: readonly string[], stdin?: string): Promise<CommandResult> {
  const options = stdin === undefined ? {} : { stdin };
  return command([`${DIST}/kata-runtime`, ...args], options);
}

Deno.test("an operator looks into a running sandbox", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const config = withConfig(["[agent.kata]", "debug_console_enabled = true"]);
    const run = ["run", "-d", "--runtime", SHIM_PATH, ...config, BUSYBOX, ID, "sleep", "1000"];
    await containerd.ctrOutput(run);

    await test.step("agent-ctl calls methods of the agent, with JSON in and out", async () => {
      const details = await kata(["agent-ctl", ID, "GetGuestDetails", '{"mem_block_size":true}']);
      assertEquals(details.code, 0, details.stderr);
      assert(Number(JSON.parse(details.stdout).memBlockSizeBytes) > 0, details.stdout);
      const check = await kata(["agent-ctl", ID, "check", "-"], "{}");
      assertEquals(JSON.parse(check.stdout), { status: "SERVING" });
    });

    await test.step("agent-ctl passes on what the agent refuses, and names what is none", async () => {
      const request = JSON.stringify({ containerId: "nobody" });
      const missing = await kata(["agent-ctl", ID, "StatsContainer", request]);
      assertEquals(missing.code, 1);
      assertStringIncludes(missing.stderr, "nobody");
      const noMethod = await kata(["agent-ctl", ID, "MakeCoffee"]);
      assertStringIncludes(noMethod.stderr, 'no method "MakeCoffee"');
      const noMessage = await kata(["agent-ctl", ID, "StatsContainer", '{"colour":1}']);
      assertStringIncludes(noMessage.stderr, "StatsContainerRequest");
    });

    await test.step("agent-ctl by gRPC works, or says which Deno it would take", async () => {
      const { code, stdout, stderr } = await kata(["agent-ctl", "--protocol", "grpc", ID, "Check"]);
      if (code === 0) assertEquals(JSON.parse(stdout), { status: "SERVING" });
      else assertStringIncludes(stderr, "2.7.14 or later is needed");
    });

    await test.step("metrics tell of host and guest, in Prometheus' form", async () => {
      const { stdout, stderr } = await kata(["metrics", ID]);
      assertEquals(stderr, "");
      assertMatch(stdout, /^kata_process_\w+\{role="shim",[^}]*\} \d/m);
      assertMatch(stdout, /^kata_guest_\w+(\{[^}]*\})? \d/m);
    });

    await test.step("the debug console is a shell in the guest, with job control", async () => {
      const { stdout } = await kata(["exec", ID], "uname -r; exit\n");
      assertEquals(stdout.includes(Deno.osRelease()), false);
      assertMatch(stdout, /\d+\.\d+\.\d+/);
      assertEquals(stdout.includes("job control turned off"), false, stdout);
    });

    await test.step("the debug console gives all that its shell wrote, and ends with its input", async () => {
      for (const end of ["exit\n", "", "true"]) {
        const { stdout } = await kata(["exec", ID], `seq 20000; echo the$((1))end\n${end}`);
        assertStringIncludes(stdout, "the1end");
        assertMatch(stdout, /^20000\r?$/m);
      }
    });

    await test.step("the debug console ends with its shell, whatever that leaves behind", async () => {
      const { stdout } = await kata(["exec", ID], "sleep 1000 & echo left$((1))behind; exit\n");
      assertStringIncludes(stdout, "left1behind");
    });

    await test.step("timeline names the steps of the start", async () => {
      assertMatch((await kata(["timeline", ID])).stdout, /start VMM/);
    });
  }
  assertEquals(await leaks(before), []);
});
