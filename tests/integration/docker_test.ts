import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Docker } from "../support/docker.ts";
import { leaks, snapshot } from "../support/leaks.ts";

const IMAGE = "busybox";
/** Ends as told by SIGTERM. */
const FOREVER = "trap 'exit 9' TERM; echo up; while :; do sleep 1000 & wait; done";

async function logged(docker: Docker, name: string, text: string): Promise<void> {
  while (!(await docker.output("logs", name)).includes(text)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("docker runs containers, with the runtime named in daemon.json", async (test) => {
  const before = await snapshot();
  {
    await using docker = await Docker.start();

    await test.step("run: kernel, streams and status", async () => {
      const script = "uname -r; echo err >&2; cat; exit 3";
      const { code, stdout, stderr } = await docker.call(
        ["run", "--rm", "-i", IMAGE, "sh", "-c", script],
        { stdin: "in\n" },
      );
      const [kernel, input] = stdout.split("\n");
      assertEquals([code, input, stderr], [3, "in", "err\n"]);
      assertNotEquals(kernel, Deno.osRelease());
    });
    await test.step("run: what cannot be run has the status that shells know", async () => {
      const missing = await docker.call(["run", "--rm", IMAGE, "nosuch"]);
      assertEquals(missing.code, 127, missing.stderr);
    });
    await test.step("two containers on one network", async (test) => {
      await docker.output("network", "create", "n");
      const serve = `mkdir /w; echo page >/w/x; httpd -p 80 -h /w; ${FOREVER}`;
      await docker.output("run", "-d", "--network", "n", "--name", "web", IMAGE, "sh", "-c", serve);
      await logged(docker, "web", "up");
      await test.step("reach each other by address", async () => {
        const format = "{{.NetworkSettings.Networks.n.IPAddress}}";
        const address = await docker.output("inspect", "--format", format, "web");
        const fetched = await docker.output(
          ...["run", "--rm", "--network", "n", IMAGE, "wget", "-qO-", `http://${address}/x`],
        );
        assertEquals(fetched, "page");
      });
      await test.step("exec", async () => {
        const { code, stdout } = await docker.call(
          ["exec", "-i", "web", "sh", "-c", "cat; exit 4"],
          {
            stdin: "in\n",
          },
        );
        assertEquals([code, stdout], [4, "in\n"]);
        assertMatch(await docker.output("exec", "-t", "web", "tty"), /^\/dev\/pts\/\d+/);
      });
      await test.step("cp", async () => {
        await Deno.writeTextFile(`${docker.directory}/file`, "hello");
        await docker.output("cp", `${docker.directory}/file`, "web:/kata-cp");
        assertEquals(await docker.output("exec", "web", "cat", "/kata-cp"), "hello");
      });
      await test.step("top, stats, update", async () => {
        assertStringIncludes(await docker.output("top", "web"), "trap");
        const format = "{{.MemUsage}}";
        assertMatch(
          await docker.output("stats", "--no-stream", "--format", format, "web"),
          /^\d+(\.\d+)?[KMG]iB/,
        );
        await docker.output("update", "--pids-limit", "77", "web");
      });
      await test.step("pause", async () => {
        await docker.output("pause", "web");
        assertEquals(
          await docker.output("inspect", "--format", "{{.State.Status}}", "web"),
          "paused",
        );
        await docker.output("unpause", "web");
      });
      await test.step("restart, and stop by its trap", async () => {
        await docker.output("restart", "--time", "60", "web");
        assertEquals(
          await docker.output("inspect", "--format", "{{.State.Running}}", "web"),
          "true",
        );
        // init catches SIGTERM, bit 14, from when its trap is set
        const trapped =
          "until grep -qE '^SigCgt:.*[4-7c-f][0-9a-f]{3}$' /proc/1/status; do :; done";
        await docker.output("exec", "web", "sh", "-c", trapped);
        await docker.output("stop", "--time", "60", "web");
        assertEquals(await docker.output("inspect", "--format", "{{.State.ExitCode}}", "web"), "9");
        await docker.output("rm", "web");
      });
    });
  }
  assertEquals(await leaks(before), []);
});
