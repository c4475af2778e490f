/** What people type into Podman and Docker beside the plain life of a container, which their own tests show. */
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Docker } from "../support/docker.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { Podman } from "../support/podman.ts";
import { TypedTerminal } from "../support/typed_terminal.ts";
import type { CommandResult } from "../../tools/lib/command.ts";

const IMAGE = "busybox";
const RUNC = "/usr/sbin/runc";
/** Ends as told by SIGTERM. */
const FOREVER = "trap 'exit 9' TERM; echo up; while :; do sleep 1000 & wait; done";
/** Longest wait for what an engine does by itself. */
const WAIT_MS = 60_000;

/** What both engines' fixtures have. */
interface Engine {
  argv(...args: readonly string[]): [string, ...string[]];
  call(args: readonly string[]): Promise<CommandResult>;
  output(...args: readonly string[]): Promise<string>;
}

/** A command of an engine on a terminal. */
function typed(engine: Engine, ...args: readonly string[]): TypedTerminal {
  const [program, ...rest] = engine.argv(...args);
  return new TypedTerminal([`/usr/bin/${program}`, ...rest]);
}

/** Asks again and again, as engines have no event for it, until the answer holds a text. */
async function until(engine: Engine, text: string, ...args: readonly string[]): Promise<string> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const { stdout, stderr } = await engine.call(args);
    if (stdout.includes(text)) return stdout;
    if (Date.now() > end) {
      throw new Error(`no "${text}" from ${args.join(" ")}: ${stdout}${stderr}`);
    }
  }
}

/** A terminal for a new container: it is one, has the person's size, and the status comes back. */
async function runsOnTerminal(engine: Engine): Promise<void> {
  using terminal = typed(engine, "run", "--rm", "-it", "--net", "none", IMAGE, "sh");
  await terminal.typeUntil("tty; echo on$((1))it\r", "/dev/");
  await terminal.until("on1it");
  await terminal.type("exit 6\r");
  assertEquals(await terminal.ended, { code: 6 });
}

/** Likewise for a process in one that runs. */
async function joinsOnTerminal(engine: Engine, name: string): Promise<void> {
  using terminal = typed(engine, "exec", "-it", name, "sh");
  await terminal.typeUntil("echo joined$((1))it\r", "joined1it");
  await terminal.type("exit 7\r");
  assertEquals(await terminal.ended, { code: 7 });
}

/** `logs -f` shows what is there and what comes, and ends with the container. */
async function followsLogs(engine: Engine): Promise<void> {
  const script = "echo first; while [ ! -e /go ]; do sleep 0.1; done; echo last; exit 2";
  await engine.output("run", "-d", "--name", "told", "--net", "none", IMAGE, "sh", "-c", script);
  const followed = engine.call(["logs", "-f", "told"]);
  await until(engine, "first", "logs", "told");
  await engine.output("exec", "told", "touch", "/go");
  assertEquals((await followed).stdout, "first\nlast\n");
  assertEquals(await engine.output("wait", "told"), "2");
  await engine.output("rm", "told");
}

/** Files go both ways, folders too. */
async function copies(engine: Engine, directory: string, name: string): Promise<void> {
  await Deno.mkdir(`${directory}/tree/below`, { recursive: true });
  await Deno.writeTextFile(`${directory}/tree/below/file`, "hello");
  await engine.output("cp", `${directory}/tree`, `${name}:/kata-tree`);
  assertEquals(await engine.output("exec", name, "cat", "/kata-tree/below/file"), "hello");
  await engine.output("exec", name, "sh", "-c", "echo back >/kata-tree/out");
  await engine.output("cp", `${name}:/kata-tree`, `${directory}/tree-back`);
  assertEquals(await Deno.readTextFile(`${directory}/tree-back/out`), "back\n");
}

Deno.test("podman: what people type", async (test) => {
  const before = await snapshot();
  {
    await using podman = await Podman.start();
    await test.step("run -it", () => runsOnTerminal(podman));
    await test.step("logs -f", () => followsLogs(podman));
    await test.step("pod create: two containers that run side by side share localhost and hostname", async () => {
      await podman.output("pod", "create", "--name", "pair", "--network", "none");
      const run = ["run", "-d", "--pod", "pair", "--name"];
      const serve = "echo page >/srv-page; exec httpd -f -p 8082 -h /";
      await podman.output(...run, "web", IMAGE, "sh", "-c", serve);
      await podman.output(...run, "peer", IMAGE, "sh", "-c", FOREVER);
      const fetchIt = "until wget -qO- localhost:8082/srv-page 2>/dev/null; do sleep 0.1; done";
      assertEquals(await podman.output("exec", "peer", "sh", "-c", fetchIt), "page");
      assertEquals(
        await podman.output("exec", "peer", "hostname"),
        await podman.output("exec", "web", "hostname"),
      );
      assertMatch(
        await podman.output("pod", "ps", "--format", "{{.Name}} {{.Status}}"),
        /pair Running/,
      );
      await podman.output("pod", "rm", "--force", "--time", "0", "pair");
    });
    await test.step("a folder of the host: written from both sides, or read-only", async () => {
      const folder = `${podman.directory}/folder`;
      await Deno.mkdir(folder);
      await Deno.writeTextFile(`${folder}/from-host`, "host\n");
      const volumes = ["-v", `${folder}:/rw`, "-v", `${folder}:/ro:ro`, "--tmpfs", "/scratch"];
      await podman.output(
        "run",
        "-d",
        "--name",
        "v",
        "--net",
        "none",
        ...volumes,
        IMAGE,
        "sh",
        "-c",
        FOREVER,
      );
      const script =
        "cat /rw/from-host; echo guest >/rw/from-guest; echo x >/scratch/x && echo kept";
      assertEquals(await podman.output("exec", "v", "sh", "-c", script), "host\nkept");
      assertEquals(await Deno.readTextFile(`${folder}/from-guest`), "guest\n");
      const denied = await podman.call(["exec", "v", "touch", "/ro/nope"]);
      assertNotEquals(denied.code, 0);
      assertStringIncludes(denied.stderr, "Read-only file system");
    });
    await test.step("exec -it", () => joinsOnTerminal(podman, "v"));
    await test.step("cp of folders", () => copies(podman, podman.directory, "v"));
    await test.step("restart, kill -s and inspect", async () => {
      const pid = async (): Promise<string> =>
        await podman.output("inspect", "v", "--format", "{{.State.Pid}}");
      const first = await pid();
      await podman.output("restart", "--time", "60", "v");
      assertNotEquals(await pid(), first);
      await until(podman, "up\nup", "logs", "v");
      await podman.output("kill", "--signal", "TERM", "v");
      assertEquals(await podman.output("wait", "v"), "9");
      await podman.output("rm", "v");
    });
    await test.step("a health check's state is shown", async () => {
      const check = [
        "--health-cmd",
        "test -e /healthy",
        "--health-interval",
        "disable",
        "--health-retries",
        "1",
      ];
      await podman.output(
        "run",
        "-d",
        "--name",
        "h",
        "--net",
        "none",
        ...check,
        IMAGE,
        "sh",
        "-c",
        FOREVER,
      );
      const state = async (): Promise<string> => {
        await podman.call(["healthcheck", "run", "h"]);
        return await podman.output("inspect", "h", "--format", "{{.State.Health.Status}}");
      };
      assertEquals(await state(), "unhealthy");
      await podman.output("exec", "h", "touch", "/healthy");
      assertEquals(await state(), "healthy");
      await podman.output("rm", "--force", "--time", "0", "h");
    });
  }
  assertEquals(await leaks(before), []);
});

/** What is the same with any runtime: status, and what came on stdout. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  "a status": ["sh", "-c", "exit 3"],
  "both streams": ["sh", "-c", "echo out; echo err >&2"],
  "a signal": ["sh", "-c", "kill -9 $$"],
  "a missing program": ["nosuch"],
  "a folder as program": ["/etc"],
  "user, group, folder and environment": ["sh", "-c", "id -u; id -g; pwd; echo $HOME $WORD"],
  "limits": ["sh", "-c", "ulimit -n; cat /proc/self/oom_score_adj"],
  "capabilities": ["grep", "-E", "CapEff|NoNewPrivs", "/proc/self/status"],
  "a hostname": ["hostname"],
};
const FLAGS = [
  ...["--user", "7:8", "--workdir", "/tmp", "--env", "WORD=said", "--ulimit", "nofile=123:456"],
  // Podman would raise it otherwise, which root without CAP_SYS_RESOURCE may not.
  ...["--ulimit", "nproc=1000:1000"],
];

Deno.test("podman: a container is what it is with runc", async (test) => {
  const before = await snapshot();
  {
    await using kata = await Podman.start();
    await using runc = await Podman.start(RUNC);
    for (const [what, argv] of Object.entries(SAME)) {
      await test.step(what, async () => {
        const run = ["run", "--rm", "--net", "none", "--hostname", "box", ...FLAGS, IMAGE, ...argv];
        const [ours, theirs] = [await kata.call(run), await runc.call(run)];
        const why = `${ours.stderr}\n${theirs.stderr}`;
        assertEquals([ours.code, ours.stdout], [theirs.code, theirs.stdout], why);
      });
    }
  }
  assertEquals(await leaks(before), []);
});

Deno.test("docker: what people type", async (test) => {
  const before = await snapshot();
  {
    await using docker = await Docker.start();
    await test.step("run -it", () => runsOnTerminal(docker));
    await test.step("logs -f", () => followsLogs(docker));
    await docker.output("run", "-d", "--name", "dd", "--memory", "64m", IMAGE, "sh", "-c", FOREVER);
    await until(docker, "up", "logs", "dd");
    await test.step("exec -it", () => joinsOnTerminal(docker, "dd"));
    await test.step("cp of folders", () => copies(docker, docker.directory, "dd"));
    await test.step("update changes the limits in the guest", async () => {
      const limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
      assertMatch(await docker.output("exec", "dd", "sh", "-c", limits), /^67108864\n/);
      const more = ["--memory", "128m", "--memory-swap", "128m", "--pids-limit", "77"];
      await docker.output("update", ...more, "dd");
      assertEquals(await docker.output("exec", "dd", "sh", "-c", limits), "134217728\n77");
    });
    await test.step("stats, top and inspect tell of one running container", async () => {
      const stats = await docker.output(
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.CPUPerc}} {{.PIDs}}",
        "dd",
      );
      assertMatch(stats, /^dd \d+\.\d+% \d+$/);
      const pid = await docker.output("inspect", "--format", "{{.State.Pid}}", "dd");
      assertStringIncludes(await docker.output("top", "dd", "-o", "pid"), pid);
    });
    await test.step("attach sees what comes, and passes signals on", async () => {
      const attached = docker.call(["attach", "--no-stdin", "dd"]);
      await docker.output("kill", "--signal", "TERM", "dd");
      assertEquals((await attached).code, 9);
    });
    await test.step("start again, and stop by its trap", async () => {
      await docker.output("start", "dd");
      await until(docker, "up\nup", "logs", "dd");
      await docker.output("stop", "--time", "60", "dd");
      assertEquals(await docker.output("inspect", "--format", "{{.State.ExitCode}}", "dd"), "9");
      await docker.output("rm", "dd");
    });
    await test.step("a restart policy starts it again as often as it says", async () => {
      const script = "echo try; exit 3";
      await docker.output(
        ...["run", "-d", "--name", "rr", "--net", "none", "--restart", "on-failure:1"],
        ...[IMAGE, "sh", "-c", script],
      );
      await until(docker, "try\ntry\n", "logs", "rr");
      assertEquals(await docker.output("wait", "rr"), "3");
      await docker.output("rm", "rr");
    });
  }
  assertEquals(await leaks(before), []);
});
