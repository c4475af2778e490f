import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { listenConsole } from "../../common/linux/console_socket.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { setWindowSize } from "../../common/linux/terminal.ts";
import { Bundle } from "../support/bundle.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME, OciCli } from "../support/oci_cli.ts";

/** Runs until told to end by a signal. */
const FOREVER = ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 1000 & wait; done"];

/** Sends a command's output, and what it starts, into a file: nothing waits for its end. */
async function create(cli: OciCli, bundle: Bundle, id: string): Promise<number> {
  const line = [...cli.argv("create"), "-b", bundle.path, "--pid-file", `${bundle.path}/pid`, id];
  const script = `exec "$@" >${bundle.path}/out 2>&1 </dev/null`;
  const { code } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...line] }).output();
  assertEquals(code, 0, Deno.readTextFileSync(`${bundle.path}/out`));
  return Number(Deno.readTextFileSync(`${bundle.path}/pid`));
}

/** Waits until a file holds a text; the kernel tells of no writes to it that a test could wait for in a line. */
async function holds(path: string, text: string): Promise<void> {
  while (!Deno.readTextFileSync(path).includes(text)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function hasStatus(cli: OciCli, id: string, status: string): Promise<void> {
  while (await cli.status(id) !== status) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("kata-runtime refuses as runc does, with the same status, and leaves nothing", async (test) => {
  const before = await snapshot();
  {
    await using kata = new OciCli();
    await using runc = new OciCli("/usr/sbin/runc");
    using empty = Bundle.make(["true"]);
    Deno.removeSync(`${empty.path}/config.json`);
    const verbs = ["state", "start", "kill", "delete", "pause", "resume", "ps", "update", "events"];
    const cases: readonly (readonly string[])[] = [
      ...verbs.map((verb) => [verb, "unknown"]),
      ["exec", "unknown", "true"],
      ["delete", "--force", "unknown"],
      ["create", "-b", empty.path, "c"],
      ["run", "-b", empty.path, "c"],
      ["state", "../../etc"],
      ["state", "a/b"],
      ["delete", ".."],
      ["state"],
      ["state", "a", "b"],
      ["state", "--nope", "a"],
    ];
    for (const args of cases) {
      await test.step(args.join(" "), async () => {
        const [ours, theirs] = await Promise.all([kata.call(args), runc.call(args)]);
        assertEquals(ours.code, theirs.code, `${ours.stderr}\n${theirs.stderr}`);
        assertEquals(ours.stderr === "", theirs.stderr === "");
      });
    }
    await test.step("the words that engines look for", async () => {
      const said = async (...args: string[]): Promise<string> => (await kata.call(args)).stderr;
      assertStringIncludes(await said("state", "unknown"), "does not exist");
      assertStringIncludes(await said("create", "-b", empty.path, "c"), "config.json not found");
    });
    await test.step("failures go to the log that --log names", async () => {
      const log = `${kata.root}.log`;
      await kata.call(["--log", log, "--log-format", "json", "state", "unknown"]);
      assertMatch(
        Deno.readTextFileSync(log),
        /^\{"level":"error","msg":"container does not exist"/,
      );
      Deno.removeSync(log);
    });
    await test.step("an answer that cannot be written is a failure", async () => {
      const line = `${KATA_RUNTIME} features >/dev/full 2>/dev/null`;
      const { code } = await new Deno.Command("sh", { args: ["-c", line] }).output();
      assertEquals(code, 1);
    });
    assertEquals([...Deno.readDirSync(kata.root)], []);
  }
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime runs a container, with its streams and its status", async () => {
  const before = await snapshot();
  {
    await using cli = new OciCli();
    using bundle = Bundle.make(["sh", "-c", "uname -r; echo err >&2; cat; exit 5"]);
    const { code, stdout, stderr } = await cli.call(["run", "-b", bundle.path, "r"], {
      stdin: "hello\n",
    });
    const [kernel, ...rest] = stdout.split("\n");
    assertEquals([code, rest.join("\n"), stderr], [5, "hello\n", "err\n"]);
    assert(kernel !== Deno.osRelease(), kernel);
    assertEquals(await cli.output(["list", "--quiet"]), "");
  }
  assertEquals(await leaks(before), []);
});

/** Prints its terminal's size at each change, until it has the one that the test sets last. */
const RESIZED = `say() { now=$(stty size); echo "$now"; [ "$now" != "33 44" ] || { tty; exit; }; }
trap say WINCH; say; while :; do sleep 0.1; done`;

Deno.test("kata-runtime: the life of a container", async (test) => {
  const before = await snapshot();
  {
    await using cli = new OciCli();
    using bundle = Bundle.make(FOREVER);
    const pid = await create(cli, bundle, "c");

    await test.step("is created, under its own pid, in the files that engines look into", async () => {
      const state = JSON.parse(await cli.output(["state", "c"]));
      assertEquals([state.id, state.status, state.pid], ["c", "created", pid]);
      assertEquals(state.bundle, bundle.path);
      const names = [...Deno.readDirSync(`/proc/${pid}/root`)].map(({ name }) => name);
      assert(names.includes("bin") && !names.includes("boot"), names.join(" "));
      assertEquals(Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0")[0], "sh");
    });
    await test.step("an id is taken once, and what has not started cannot be joined", async () => {
      const again = await cli.call(["create", "-b", bundle.path, "c"]);
      assertEquals(again.code, 1);
      assertStringIncludes(again.stderr, "already exists");
      assertEquals((await cli.call(["exec", "c", "true"])).code, 255);
      assertEquals((await cli.call(["pause", "c"])).code, 1);
    });
    await test.step("starts, once", async () => {
      await cli.output(["start", "c"]);
      await holds(`${bundle.path}/out`, "up");
      const again = await cli.call(["start", "c"]);
      assertEquals(again.code, 1);
      assertStringIncludes(again.stderr, "already running");
    });
    await test.step("runs other processes, with their status and environment", async () => {
      const script = "cat; echo $X $(hostname); exit 4";
      const { code, stdout } = await cli.call(["exec", "--env", "X=1", "c", "sh", "-c", script], {
        stdin: "in\n",
      });
      assertEquals([code, stdout], [4, "in\n1 box\n"]);
      const missing = await cli.call(["exec", "c", "nosuch"]);
      assertEquals(missing.code, 255);
      assertStringIncludes(missing.stderr, "executable file not found");
    });
    await test.step("gives a process a terminal, and follows its size", async () => {
      using socket = listenConsole(`${bundle.path}/console`);
      const process = {
        args: ["sh", "-c", RESIZED],
        cwd: "/",
        env: ["PATH=/bin"],
      };
      const file = `${bundle.path}/process.json`;
      Deno.writeTextFileSync(file, JSON.stringify({ ...process, user: { uid: 0, gid: 0 } }));
      const started = cli.output([
        ...["exec", "--detach", "--tty", "--console-socket", `${bundle.path}/console`],
        ...["--process", file, "--pid-file", `${bundle.path}/exec-pid`, "c"],
      ]);
      using terminal = new FdStream(await socket.accept(AbortSignal.timeout(60_000)));
      setWindowSize(terminal.fd, 11, 22);
      await started;
      let text = "";
      const buffer = new Uint8Array(4096), decoder = new TextDecoder();
      const until = async (part: string): Promise<void> => {
        while (!text.includes(part)) {
          const count = await terminal.read(buffer);
          if (count === null) throw new Error(`ended: ${text}`);
          text += decoder.decode(buffer.subarray(0, count));
        }
      };
      await until("11 22");
      setWindowSize(terminal.fd, 33, 44);
      await until("33 44");
      await until("/dev/pts/");
    });
    await test.step("pauses and resumes", async () => {
      await cli.output(["pause", "c"]);
      assertEquals(await cli.status("c"), "paused");
      assertEquals((await cli.call(["exec", "c", "true"])).code, 255);
      await cli.output(["resume", "c"]);
      assertEquals(await cli.status("c"), "running");
      assertEquals((await cli.call(["resume", "c"])).code, 1);
    });
    await test.step("tells what runs and what it uses", async () => {
      assertEquals(JSON.parse(await cli.output(["ps", "--format", "json", "c"])), [pid]);
      const { type, id, data } = JSON.parse(await cli.output(["events", "--stats", "c"]));
      assertEquals([type, id], ["stats", "c"]);
      assert(data.memory.usage.usage > 0 && data.cpu.usage.total > 0);
      await cli.output(["update", "--pids-limit", "50", "c"]);
      assertEquals(JSON.parse(await cli.output(["events", "--stats", "c"])).data.pids.limit, 50);
    });
    await test.step("is not deleted while it runs; a signal sent to its pid reaches it", async () => {
      const early = await cli.call(["delete", "c"]);
      assertEquals(early.code, 1);
      assertStringIncludes(early.stderr, "not stopped: running");
      Deno.kill(pid, "SIGTERM");
      await hasStatus(cli, "c", "stopped");
      const { code, stderr } = await cli.call(["kill", "c", "TERM"]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "container not running");
      await cli.output(["delete", "c"]);
      assertStringIncludes(await cli.status("c"), "does not exist");
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime: a daemon that is killed takes its containers along, and is cleaned up after", async () => {
  const before = await snapshot();
  {
    await using cli = new OciCli();
    using bundle = Bundle.make(FOREVER);
    const pid = await create(cli, bundle, "d");
    await cli.output(["start", "d"]);
    const sandboxes = JSON.parse(await cli.output(["sandboxes", "--json"]));
    const { shim } = sandboxes.find((each: { id: string }) => each.id === "d");
    Deno.kill(shim.pid, "SIGKILL");
    await hasStatus(cli, "d", "stopped");
    assertEquals((await cli.call(["kill", "d", "KILL"])).code, 1);
    await cli.output(["delete", "d"]);
    assert(!existsProcess(pid));
  }
  assertEquals(await leaks(before), []);
});

Deno.test({
  name: "kata-runtime: a create that is killed leaves nothing that delete --force does not remove",
  fn: async () => {
    const before = await snapshot();
    {
      await using cli = new OciCli();
      using bundle = Bundle.make(FOREVER);
      const [program, ...args] = cli.argv("create", "-b", bundle.path, "k");
      const child = new Deno.Command(program, {
        args,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      const booting = async (): Promise<boolean> =>
        JSON.parse(await cli.output(["sandboxes", "--json"])).some((
          each: { id: string; vm?: unknown },
        ) => each.id === "k" && each.vm !== undefined);
      while (!await booting());
      child.kill("SIGKILL");
      await child.status;
      await cli.output(["delete", "--force", "k"]);
      assertEquals(await cli.output(["list", "--quiet"]), "");
    }
    assertEquals(await leaks(before), []);
  },
});

function existsProcess(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
