import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { Status } from "../../common/protocol/gen/containerd/process_pb.ts";
import { output } from "../../tools/lib/command.ts";
import { sha256 } from "../../tools/lib/hash.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { atOnce } from "../support/at_once.ts";
import { Containerd } from "../support/containerd.ts";
import { EventLog } from "../support/event_log.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { Fifo, TaskClient } from "../support/task_client.ts";
import { background, pidsOf } from "./background.ts";
import { withConfig } from "./transports.ts";

/** Expects a call to fail with this code, and words. */
async function refused(call: Promise<unknown>, code: Code, words = ""): Promise<void> {
  const error = await assertRejects(() => call, RuntimeError, words);
  assertEquals([error.code, error.message], [code, error.message]);
}

function programOf(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replace(/\0.*$/s, "").replace(/.*\//, "");
}

/** Deno's pools make threads when they need them, and keep them for a while. */
const POOL_THREADS = 4;

/** A shell in the guest, to look at the agent. */
const CONSOLE = withConfig(["[agent.kata]", "debug_console_enabled = true"]);

/** What a process holds. */
interface Holdings {
  readonly fds: number;
  readonly threads: number;
  readonly zombies: number;
}

/** Of the agent; zombies of the whole guest. */
async function agentHolds(id: string): Promise<Holdings> {
  const script = "P=/proc/$(pidof kata-agent); echo COUNTS $(ls $P/fd | wc -l) " +
    "$(ls $P/task | wc -l) $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '); exit\n";
  const text = await output([`${DIST}/kata-runtime`, "exec", id], { stdin: script });
  const [, fds, threads, zombies] = /COUNTS (\d+) (\d+) (\d+)/.exec(text) ?? [];
  if (fds) return { fds: Number(fds), threads: Number(threads), zombies: Number(zombies) };
  throw new Error(`The debug console does not answer: ${text}`);
}

function shimHolds(pid: number): Holdings {
  const count = (folder: string): number => [...Deno.readDirSync(`/proc/${pid}/${folder}`)].length;
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
  const zombies = children.filter((child) =>
    child !== "" && /\) Z /.test(Deno.readTextFileSync(`/proc/${child}/stat`))
  );
  return { fds: count("fd"), threads: count("task"), zombies: zombies.length };
}

Deno.test("the Task API of a running container", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    await using events = new EventLog(containerd);
    const id = "api";
    const child = await background(containerd, id, undefined, CONSOLE);
    using client = await TaskClient.connect(containerd, id);
    const { task } = client;
    const { pid } = await task.state({ id });

    await test.step("init and execs have live processes on the host, each its own", async () => {
      assertEquals(programOf(pid), "kata-relay");
      await client.exec({ execId: "own", args: ["sleep", "1000"] });
      const started = await task.start({ id, execId: "own" });
      assertNotEquals(started.pid, pid);
      assertEquals(programOf(started.pid), "kata-relay");
      assert(Deno.readLinkSync(`/proc/${started.pid}/ns/net`).startsWith("net:"));
      const { processes } = await task.pids({ id });
      const known = processes.filter(({ info }) => info !== undefined); // the guest's own have none
      assertEquals(known.map((each) => each.pid), [pid, started.pid]);
      assert(known.every((each) => each.info?.typeUrl === "containerd.runc.v1.ProcessDetails"));
      const exited = task.wait({ id, execId: "own" });
      Deno.kill(started.pid, "SIGTERM"); // meant for the process in the guest
      assertEquals((await exited).exitStatus, 143);
      assertEquals((await task.delete({ id, execId: "own" })).pid, started.pid);
    });

    await test.step("exec ids can be used again, but not twice at once", async () => {
      for (let at = 0; at < 2; at++) {
        const { status, stdout } = await client.run("again", ["sh", "-c", "echo $PPID; exit 3"]);
        assertEquals([status, stdout], [3, "0\n"]);
      }
      await client.exec({ execId: "twice", args: ["true"] });
      await refused(client.exec({ execId: "twice", args: ["true"] }), Code.AlreadyExists);
      await task.delete({ id, execId: "twice" });
      await refused(task.state({ id, execId: "twice" }), Code.NotFound);
    });

    await test.step("a missing command fails the exec at once, and harms nobody", async () => {
      await client.exec({ execId: "missing", args: ["/no/such/command"] });
      const exited = task.wait({ id, execId: "missing" });
      const since = Date.now();
      const start = task.start({ id, execId: "missing" });
      await refused(start, Code.Unknown, "executable file not found");
      assert(Date.now() - since < 2_000, `${Date.now() - since} ms`);
      assertNotEquals((await exited).exitStatus, 0);
      await refused(task.kill({ id, execId: "missing", signal: 9 }), Code.NotFound, "finished");
      await task.delete({ id, execId: "missing" });
      assertEquals((await task.state({ id })).status, Status.RUNNING);
    });

    await test.step("an exec that was not started cannot be killed, but deleted", async () => {
      await client.exec({ execId: "idle", args: ["true"] });
      assertEquals((await task.state({ id, execId: "idle" })).status, Status.CREATED);
      await refused(task.kill({ id, execId: "idle", signal: 9 }), Code.FailedPrecondition);
      assertEquals((await task.delete({ id, execId: "idle" })).exitStatus, 0);
    });

    await test.step("a terminal has the size that was set before the start, and later ones", async () => {
      using fifo = await Fifo.make();
      const execId = "tty";
      const script = "stty size; trap 'stty size; exit' WINCH; while :; do sleep 0.1; done";
      await client.exec({
        execId,
        args: ["sh", "-c", script],
        stdout: fifo.path,
        terminal: true,
      });
      await task.resizePty({ id, execId, width: 111, height: 37 });
      const text = fifo.readText();
      const exited = task.wait({ id, execId });
      await task.start({ id, execId });
      await client.run("settle", ["sleep", "1"]); // until the trap is set
      await task.resizePty({ id, execId, width: 90, height: 20 });
      await exited;
      await task.delete({ id, execId });
      assertEquals((await text).replaceAll("\r", ""), "37 111\n20 90\n");
    });

    await test.step("ctrl-C typed into a terminal ends its process", async () => {
      using input = await Fifo.make();
      const execId = "ctrlc";
      await client.exec({ execId, args: ["sleep", "1000"], stdin: input.path, terminal: true });
      const exited = task.wait({ id, execId });
      const writer = await Deno.open(input.path, { write: true, read: true });
      await task.start({ id, execId });
      await writer.write(Uint8Array.of(3));
      assertEquals((await exited).exitStatus, 130);
      writer.close();
      await task.delete({ id, execId });
    });

    await test.step("10 MiB of stdin arrive whole, and CloseIO ends them", async () => {
      using input = await Fifo.make();
      const bytes = new Uint8Array(10 * 1024 * 1024).map((_, at) => (at * 7919) >> 5);
      const holder = await Deno.open(input.path, { write: true, read: true });
      const writing = async (): Promise<void> => {
        for (let at = 0; at < bytes.length;) at += await holder.write(bytes.subarray(at));
        await task.closeIO({ id, execId: "stdin", stdin: true });
        await task.closeIO({ id, execId: "stdin", stdin: true });
        holder.close();
      };
      const [{ status, stdout }] = await Promise.all([
        client.run("stdin", ["sha256sum"], { stdin: input.path }),
        writing(),
      ]);
      assertEquals([status, stdout.split(" ")[0]], [0, await sha256(bytes)]);
    });

    await test.step("an exec without stdin reads its end at once", async () => {
      assertEquals(await client.run("nostdin", ["cat"]), { status: 0, stdout: "" });
    });

    await test.step("limits are changed by Update, as Stats tell", async () => {
      const update = (json: string): Promise<unknown> =>
        task.update({
          id,
          resources: {
            typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
            value: new TextEncoder().encode(json),
          },
        });
      await update('{"memory":{"limit":67108864},"pids":{"limit":50},"cpu":{"cpus":"0"}}');
      const metrics = await containerd.ctrOutput(["task", "metrics", id]);
      assertMatch(metrics, /67108864\s/);
      assertMatch(metrics, /pids\.limit\s+50\s/);
      await refused(update('{"memory":'), Code.InvalidArgument);
      await refused(update('{"memory":{"limit":"much"}}'), Code.InvalidArgument, "memory.limit");
      await refused(update("[]"), Code.InvalidArgument);
    });

    await test.step("Stats come in the form of the host's cgroups", async () => {
      const { stats } = await task.stats({ id });
      const version = Deno.statSync("/sys/fs/cgroup").isDirectory &&
          [...Deno.readDirSync("/sys/fs/cgroup")].some(({ name }) => name === "cgroup.controllers")
        ? "v2"
        : "v1";
      assertEquals(stats?.typeUrl, `io.containerd.cgroups.${version}.Metrics`);
      assert((stats?.value.length ?? 0) > 50);
      const metrics = await containerd.ctrOutput(["task", "metrics", id]);
      assertMatch(metrics, /(usage_in_bytes|memory\.usage)\s+[1-9]\d{4,}/);
    });

    await test.step("Pause freezes, State says so, Resume thaws", async () => {
      await refused(task.resume({ id }), Code.FailedPrecondition);
      await task.pause({ id });
      assertEquals((await task.state({ id })).status, Status.PAUSED);
      await refused(task.pause({ id }), Code.FailedPrecondition);
      await task.resume({ id });
      assertEquals((await task.state({ id })).status, Status.RUNNING);
    });

    await test.step("what makes no sense is refused by its code", async () => {
      await refused(task.start({ id }), Code.FailedPrecondition);
      await refused(task.delete({ id }), Code.FailedPrecondition);
      await refused(task.state({ id: "nobody" }), Code.NotFound);
      await refused(task.state({ id, execId: "nobody" }), Code.NotFound);
      await refused(task.kill({ id, signal: 99 }), Code.InvalidArgument);
      await refused(task.checkpoint({ id, path: "/tmp/x" }), Code.Unimplemented);
      await refused(client.exec({ execId: "../up", args: ["true"] }), Code.InvalidArgument);
      await refused(task.exec({ id, execId: "bad" }), Code.InvalidArgument);
      const value = new TextEncoder().encode('{"args":');
      await refused(
        task.exec({ id, execId: "bad", spec: { typeUrl: "x", value } }),
        Code.InvalidArgument,
      );
      assertEquals((await task.connect({ id: "nobody" })).taskPid, 0);
      await task.kill({ id, signal: 0 });
      await task.shutdown({ id }); // a container is left: nothing happens
      assertEquals((await task.connect({ id })).taskPid, pid);
    });

    await test.step("signals of every kind reach an exec", async () => {
      for (const [signal, status] of [[15, 143], [2, 130], [10, 138]] as const) {
        const execId = `signal${signal}`;
        await client.exec({ execId, args: ["sleep", "1000"] });
        const exited = task.wait({ id, execId });
        await task.start({ id, execId });
        await task.kill({ id, execId, signal: 28 }); // SIGWINCH, which ends nothing
        await task.kill({ id, execId, signal });
        assertEquals((await exited).exitStatus, status);
        await task.delete({ id, execId });
      }
    });

    await test.step("an exec runs in the guest, whatever asks for it", async () => {
      const { stdout } = await client.run("kernel", ["uname", "-r"]);
      assertNotEquals(stdout.trim(), Deno.osRelease());
      const ctr = ["task", "exec", "--exec-id", "kernel2", id, "uname", "-r"];
      assertEquals(await containerd.ctrOutput(ctr), stdout);
    });

    await test.step("100 execs, 10 at a time, all return 0 and leave nothing", async () => {
      const { shim } = await pidsOf(id);
      const before = [await agentHolds(id), shimHolds(shim)];
      await atOnce(10, 100, async (at) => {
        assertEquals((await client.run(`many${at}`, ["true"])).status, 0);
      });
      const left = await client.run("left", ["ps", "-o", "stat,comm"]);
      assert(!left.stdout.includes("Z"), left.stdout);
      const { processes } = await task.pids({ id });
      assertEquals(processes.filter(({ info }) => info !== undefined).length, 1);
      const after = [await agentHolds(id), shimHolds(shim)];
      for (const [side, { fds, threads, zombies }] of after.entries()) {
        const told = JSON.stringify({ side, before: before[side], after: after[side] });
        assertEquals(zombies, 0, told);
        assert(fds <= (before[side]?.fds ?? 0), told);
        assert(threads <= (before[side]?.threads ?? 0) + POOL_THREADS, told);
      }
    });

    await test.step("killing init ends its execs first; all who wait are told the same", async () => {
      const execs = ["k1", "k2", "k3"];
      for (const execId of execs) {
        await client.exec({ execId, args: ["sleep", "1000"] });
        await task.start({ id, execId });
      }
      const waits = Array.from({ length: 20 }, () => task.wait({ id }));
      await task.pause({ id });
      await task.kill({ id, signal: 9 });
      const exits = await Promise.all(waits);
      assert(exits.every(({ exitStatus }) => exitStatus === 137));
      assertEquals(new Set(exits.map(({ exitedAt }) => exitedAt?.nanos)).size, 1);
      assertEquals((await child.finish()).code, 137);
      await events.wait(id, "delete");
      const told = events.of(id).filter((topic) => /^(exit( k\d)?|delete)$/.test(topic));
      assertEquals(told.slice(0, 3).sort(), execs.map((execId) => `exit ${execId}`));
      assertEquals(told.slice(3), ["exit", "delete"]);
      const exit = events.events.find(({ topic, fields }) => topic === "exit" && fields.id === id);
      assertEquals(exit?.fields.pid, pid);
    });

    await test.step("every event came once and in its order", () => {
      const all = events.of(id);
      const once = all.filter((topic) => !/ again$|^(paused|resumed)$/.test(topic));
      assertEquals(new Set(once).size, once.length);
      assertEquals(all.slice(0, 2), ["create", "start"]);
      const at = (topic: string): number => all.indexOf(topic);
      for (let number = 0; number < 100; number++) {
        const [added = -1, started = -1, exited = -1] = ["exec-added", "exec-started", "exit"]
          .map((topic) => at(`${topic} many${number}`));
        assert(added < started && started < exited, `many${number}`);
      }
    });
  }
  assertEquals(await leaks(before), []);
});
