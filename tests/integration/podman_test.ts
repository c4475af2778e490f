import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { leaks, snapshot } from "../support/leaks.ts";
import { Podman } from "../support/podman.ts";

const IMAGE = "busybox";
/** Ends as told by SIGTERM. */
const FOREVER = "trap 'exit 9' TERM; echo up; while :; do sleep 1000 & wait; done";
/** In a row; a hundred were tried by hand. */
const ROW = 3;
const AT_ONCE = 3;

async function logged(podman: Podman, name: string, text: string): Promise<void> {
  while (!(await podman.output("logs", name)).includes(text)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("podman runs containers", async (test) => {
  const before = await snapshot();
  {
    await using podman = await Podman.start();

    await test.step("run: kernel, streams and status", async () => {
      const script = "uname -r; echo err >&2; cat; exit 3";
      const { code, stdout, stderr } = await podman.call(
        ["run", "--rm", "-i", IMAGE, "sh", "-c", script],
        { stdin: "in\n" },
      );
      const [kernel, input] = stdout.split("\n");
      assertEquals([code, input, stderr], [3, "in", "err\n"]);
      assertNotEquals(kernel, Deno.osRelease());
    });
    await test.step("run: what cannot be run has the status that shells know", async () => {
      const missing = await podman.call(["run", "--rm", IMAGE, "nosuch"]);
      assertEquals(missing.code, 127, missing.stderr);
    });
    await test.step("run -d, exec, logs, top, cp, stats, pause, inspect, stop", async (test) => {
      const mapped = ["--publish", "127.0.0.1:18080:8080", "--volume", "data:/data"];
      await podman.output("run", "-d", "--name", "x", ...mapped, IMAGE, "sh", "-c", FOREVER);
      await logged(podman, "x", "up");

      await test.step("exec", async () => {
        const { code, stdout } = await podman.call(
          ["exec", "-i", "x", "sh", "-c", "cat; exit 4"],
          { stdin: "in\n" },
        );
        assertEquals([code, stdout], [4, "in\n"]);
      });
      await test.step("exec -t has a terminal", async () => {
        assertMatch(await podman.output("exec", "-t", "x", "tty"), /^\/dev\/pts\/\d+$/);
      });
      await test.step("top", async () => {
        assertStringIncludes(await podman.output("top", "x", "pid", "args"), FOREVER);
        assertStringIncludes(await podman.output("top", "x", "-o", "pid,args"), "sleep 1000");
      });
      await test.step("cp goes to the container's files, and to nobody else's", async () => {
        const file = `${podman.directory}/file`;
        await Deno.writeTextFile(file, "hello");
        await podman.output("cp", file, "x:/kata-cp");
        assertEquals(await podman.output("exec", "x", "cat", "/kata-cp"), "hello");
        assert(!await exists("/kata-cp"));
        await podman.output("exec", "x", "sh", "-c", "echo back >/data/out");
        await podman.output("cp", "x:/data/out", `${podman.directory}/out`);
        assertEquals(await Deno.readTextFile(`${podman.directory}/out`), "back\n");
      });
      await test.step("a published port leads into the guest", async () => {
        await podman.output("exec", "-d", "x", "httpd", "-p", "8080", "-h", "/data");
        await podman.output(
          "exec",
          "x",
          "sh",
          "-c",
          "until wget -qO /dev/null localhost:8080/out; do :; done",
        );
        const response = await fetch("http://127.0.0.1:18080/out");
        assertEquals(await response.text(), "back\n");
      });
      await test.step("stats counts the VM", async () => {
        const format = "{{.MemUsage}} {{.PIDs}}";
        assertMatch(
          await podman.output("stats", "--no-stream", "--format", format, "x"),
          /\d+(\.\d+)?MB/,
        );
      });
      await test.step("pause", async () => {
        await podman.output("pause", "x");
        assertEquals(
          await podman.output("inspect", "x", "--format", "{{.State.Status}}"),
          "paused",
        );
        await podman.output("unpause", "x");
      });
      await test.step("stop ends it by its trap", async () => {
        await podman.output("stop", "--time", "60", "x");
        const format = "{{.State.Status}} {{.State.ExitCode}}";
        assertEquals(await podman.output("inspect", "x", "--format", format), "exited 9");
        await podman.output("rm", "x");
      });
    });
    await test.step("kill", async () => {
      await podman.output("run", "-d", "--name", "k", "--network", "none", IMAGE, "sleep", "1000");
      await podman.output("kill", "k");
      assertEquals(await podman.output("wait", "k"), "137");
    });
    await test.step("a pod's containers share localhost", async () => {
      await podman.output("pod", "create", "--name", "p");
      const serve = "mkdir /w; echo page >/w/x; exec httpd -f -p 8081 -h /w";
      await podman.output("run", "-d", "--pod", "p", "--name", "s", IMAGE, "sh", "-c", serve);
      const fetchIt = "until wget -qO- localhost:8081/x 2>/dev/null; do :; done";
      assertEquals(
        await podman.output("run", "--rm", "--pod", "p", IMAGE, "sh", "-c", fetchIt),
        "page",
      );
      await podman.output("pod", "rm", "--force", "--time", "0", "p");
    });
    await test.step("run --rm in a row and at once: right statuses", async () => {
      const run = async (status: number): Promise<number> => {
        const script = ["sh", "-c", `exit ${status}`];
        return (await podman.call(["run", "--rm", "--network", "none", IMAGE, ...script])).code;
      };
      for (let each = 0; each < ROW; each++) assertEquals(await run(each), each);
      const all = Array.from({ length: AT_ONCE }, (_, each) => each + 10);
      assertEquals(await Promise.all(all.map(run)), all);
    });
  }
  assertEquals(await leaks(before), []);
});

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
