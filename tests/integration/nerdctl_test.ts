import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { findNerdctl } from "../conformance/nerdctl.ts";
import { commandsOf, scriptOf } from "../support/howto.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { Nerdctl } from "../support/nerdctl.ts";

const IMAGE = "busybox";
/** Ends as told by SIGTERM. */
const FOREVER = "trap 'exit 9' TERM; echo up; while :; do sleep 1000 & wait; done";
const WAIT_MS = 60_000;

const program = await findNerdctl();
const title = program
  ? "nerdctl runs containers, with networks by its hooks"
  : "nerdctl (not built: tools/conformance --prepare builds it)";

async function logged(nerdctl: Nerdctl, name: string, text: string): Promise<void> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = await nerdctl.output("logs", name);
    if (found.includes(text)) return;
    if (Date.now() > end) throw new Error(`no "${text}" in the log of ${name}: ${found}`);
  }
}

Deno.test({ name: title, ignore: program === undefined }, async (test) => {
  const before = await snapshot();
  {
    await using nerdctl = await Nerdctl.start(program ?? "");
    const run = (...args: readonly string[]): Promise<string> =>
      nerdctl.output(...nerdctl.runArgs(...args));

    await test.step("what the how-to page says", async () => {
      const commands = await commandsOf("nerdctl", "nerdctl");
      assert(commands.length > 0);
      for (const each of commands) {
        const script = scriptOf(each, "nerdctl", nerdctl.argv());
        const { code, stdout, stderr } = await command(["sh", "-c", script]);
        assertEquals(code, 0, stderr);
        assertNotEquals(stdout.trim(), Deno.osRelease());
      }
    });
    await test.step("run: streams and status", async () => {
      const args = nerdctl.runArgs("--rm", "-i", IMAGE, "sh", "-c", "echo err >&2; cat; exit 3");
      const { code, stdout, stderr } = await nerdctl.call(args, { stdin: "in\n" });
      assertEquals([code, stdout], [3, "in\n"]);
      assertStringIncludes(stderr, "err\n");
    });
    await test.step("a published port leads into the guest", async () => {
      const serve = `echo page >/page; httpd -p 80 -h /; ${FOREVER}`;
      await run("-d", "--name", "web", "-p", "127.0.0.1:18099:80", IMAGE, "sh", "-c", serve);
      await logged(nerdctl, "web", "up");
      const got = await nerdctl.beside("busybox", "wget", "-qO-", "http://127.0.0.1:18099/page");
      assertEquals(got.stdout, "page\n", got.stderr);
    });
    await test.step("exec, cp, top, stats, inspect", async () => {
      const exec = await nerdctl.call(["exec", "-i", "web", "sh", "-c", "cat; exit 4"], {
        stdin: "in\n",
      });
      assertEquals([exec.code, exec.stdout], [1, "in\n"], exec.stderr);
      assertStringIncludes(exec.stderr, "exec failed with exit code 4"); // nerdctl's own way to say so
      const file = `${nerdctl.directory}/file`;
      await Deno.writeTextFile(file, "hello");
      await nerdctl.output("cp", file, "web:/kata-cp");
      assertEquals(await nerdctl.output("exec", "web", "cat", "/kata-cp"), "hello");
      assertMatch(
        await nerdctl.output("inspect", "--format", "{{.State.Status}}", "web"),
        /running/,
      );
    });
    await test.step("pause, and stop by its trap", async () => {
      await nerdctl.output("pause", "web");
      assertMatch(
        await nerdctl.output("inspect", "--format", "{{.State.Status}}", "web"),
        /paused/,
      );
      await nerdctl.output("unpause", "web");
      await nerdctl.output("stop", "--time", "60", "web");
      assertEquals(await nerdctl.output("inspect", "--format", "{{.State.ExitCode}}", "web"), "9");
      await nerdctl.output("rm", "web");
    });
    await test.step("containers of a network of their own find each other by name", async () => {
      await nerdctl.output("network", "create", "ours");
      const serve = `echo named >/page; httpd -p 80 -h /; ${FOREVER}`;
      await run("-d", "--net", "ours", "--name", "server", IMAGE, "sh", "-c", serve);
      const script = "until wget -qO - http://server/page; do sleep 0.2; done";
      assertEquals(await run("--rm", "--net", "ours", IMAGE, "sh", "-c", script), "named");
      await nerdctl.output("rm", "--force", "server");
      await nerdctl.output("network", "rm", "ours");
    });
  }
  assertEquals(await leaks(before), []);
});
