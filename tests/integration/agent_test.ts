/**
 * The agent's service against a real crun on this host, without a VM. crun refuses hybrid cgroups, so everything runs in
 * a mount namespace with a cgroup2 mount: this file starts itself there again.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { socketPair } from "../../common/linux/socket.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { AgentFixture } from "./agent_fixture.ts";

const INSIDE = "KATA_AGENT_TEST_INSIDE";

if (Deno.env.get(INSIDE) === undefined) {
  Deno.test("agent in a private mount namespace", async () => {
    const script = 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"';
    const config = ["deno.offline.json", "deno.json"].find(existsSync) ?? "deno.json";
    const test = [
      Deno.execPath(),
      "test",
      "-A",
      "--no-check",
      "--config",
      config,
      new URL(import.meta.url).pathname,
    ];
    const command = new Deno.Command("unshare", {
      args: ["--mount", "--propagation", "private", "sh", "-c", script, "sh", ...test],
      env: { [INSIDE]: "1" },
    });
    const { code, stdout, stderr } = await command.output();
    assert(code === 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  });
} else {
  defineTests();
}

function existsSync(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // asked only to choose
  }
}

function agentTest(name: string, body: (agent: AgentFixture) => Promise<void>): void {
  Deno.test({
    name,
    sanitizeOps: false, // the reaper's signal listener outlives a test
    sanitizeResources: false,
    fn: async () => {
      await using agent = await AgentFixture.open();
      await body(agent);
    },
  });
}

function defineTests(): void {
  agentTest(
    "a container's both outputs and exit code arrive, and nothing is left",
    async (agent) => {
      await agent.run("c1", ["sh", "-c", "echo out; echo err >&2; exit 7"]);
      assertEquals(await agent.output("c1"), "out\n");
      assertEquals(await agent.output("c1", "", "readStderr"), "err\n");
      assertEquals(await Promise.all([agent.wait("c1"), agent.wait("c1")]), [7, 7]);
      await agent.call("removeContainer", { containerId: "c1" });
      assertEquals(await agent.leftovers(), []);
      await assertRejects(() => agent.wait("c1"), RuntimeError, "No container");
    },
  );

  agentTest("stdin arrives and ends", async (agent) => {
    await agent.run("c1", ["cat"]);
    const data = new TextEncoder().encode("hello\n");
    assertEquals(await agent.call("writeStdin", { containerId: "c1", data }), { len: 6 });
    await agent.call("closeStdin", { containerId: "c1" });
    assertEquals(await agent.output("c1"), "hello\n");
    assertEquals(await agent.wait("c1"), 0);
  });

  agentTest("a missing command says so, and its id can be used again", async (agent) => {
    const create = () =>
      agent.call("createContainer", { containerId: "c1", OCI: agent.spec(["nope"]) });
    await assertRejects(create, RuntimeError, 'exec: "nope": executable file not found in $PATH');
    assertEquals(await agent.leftovers(), []);
    await agent.run("c1", ["true"]);
    assertEquals(await agent.wait("c1"), 0);
  });

  agentTest(
    "an exec has its own output and exit; an unknown command fails alone",
    async (agent) => {
      await agent.run("c1", ["sleep", "100"]);
      const exec = (execId: string, args: string[]) =>
        agent.call("execProcess", { containerId: "c1", execId, process: agent.process(args) });
      await exec("e1", ["sh", "-c", "echo $$ in; exit 3"]);
      assert((await agent.output("c1", "e1")).endsWith(" in\n"));
      assertEquals(await agent.output("c1", "e1", "readStderr"), "");
      assertEquals(await agent.wait("c1", "e1"), 3);
      await assertRejects(() => agent.wait("c1", "e1"), RuntimeError, "no process");
      await assertRejects(() => exec("e2", ["nope"]), RuntimeError, "executable file not found");
      await assertRejects(() => exec("e2", ["/proc"]), RuntimeError, "permission denied");
      await exec("e2", ["sleep", "100"]);
      await assertRejects(() => exec("e2", ["true"]), RuntimeError, "already has a process");
      await agent.call("signalProcess", { containerId: "c1", execId: "e2", signal: 15 });
      assertEquals(await agent.wait("c1", "e2"), 143);
      await agent.call("signalProcess", { containerId: "c1", signal: 9 });
      assertEquals(await agent.wait("c1"), 137);
      await agent.call("removeContainer", { containerId: "c1" });
      assertEquals(await agent.leftovers(), []);
    },
  );

  agentTest("50 execs at once all report", async (agent) => {
    await agent.run("c1", ["sleep", "100"]);
    const codes = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const execId = `e${index}`;
        const process = agent.process(["sh", "-c", `exit ${index}`]);
        await agent.call("execProcess", { containerId: "c1", execId, process });
        return await agent.wait("c1", execId);
      }),
    );
    assertEquals(codes, Array.from({ length: 50 }, (_, index) => index));
  });

  agentTest("SIGTERM ends an init that has no handler, and reaches one that has", async (agent) => {
    await agent.run("c1", ["sleep", "100"]);
    await agent.call("signalProcess", { containerId: "c1", signal: 15 });
    assertEquals(await agent.wait("c1"), 137);
    await agent.run("c2", [
      "sh",
      "-c",
      "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    await agent.call("readStdout", { containerId: "c2", len: 10 });
    await agent.call("signalProcess", { containerId: "c2", signal: 15 });
    assertEquals(await agent.wait("c2"), 5);
    await agent.call("signalProcess", { containerId: "c2", signal: 15 }); // ended already: fine
  });

  agentTest("a child that keeps the pipe does not hold up the exit of an exec", async (agent) => {
    await agent.run("c1", ["sleep", "100"]);
    const host = await stream(agent, 7);
    const process = agent.process(["sh", "-c", "echo before; sleep 100 & exit 4"]);
    await agent.call("execProcess", { containerId: "c1", execId: "e1", process, stdoutPort: 7 });
    const start = performance.now();
    assertEquals(await agent.wait("c1", "e1"), 4);
    assert(performance.now() - start < 3000);
    const buffer = new Uint8Array(100);
    const count = await host.read(buffer);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, count ?? 0)), "before\n");
    host.close();
  });

  agentTest("a terminal has a size and echoes; its end is the end of the output", async (agent) => {
    await agent.run("c1", ["sh", "-c", "read x; stty size; echo got $x"], true);
    await agent.call("ttyWinResize", { containerId: "c1", row: 33, column: 77 });
    await agent.call("writeStdin", { containerId: "c1", data: new TextEncoder().encode("yes\n") });
    assertEquals(await agent.output("c1"), "yes\r\n33 77\r\ngot yes\r\n");
    assertEquals(await agent.wait("c1"), 0);
  });

  agentTest("stdio travels on streams that the host made", async (agent) => {
    const hosts = await Promise.all([11, 12, 13].map((number) => stream(agent, number)));
    const [stdin, stdout, stderr] = hosts as [FdStream, FdStream, FdStream];
    await agent.call("createContainer", {
      containerId: "c1",
      OCI: agent.spec(["sh", "-c", "cat; echo end >&2"]),
      stdinPort: 11,
      stdoutPort: 12,
      stderrPort: 13,
    });
    await agent.call("startContainer", { containerId: "c1" });
    const sent = new Uint8Array(8 << 20).map((_, index) => index * 7 + (index >> 8));
    const send = stdin.write(sent).then(() => stdin.closeWrite());
    const [received, errors] = await Promise.all([readAll(stdout), readAll(stderr), send]);
    assertEquals(new TextDecoder().decode(errors), "end\n");
    assert(
      received.length === sent.length && received.every((byte, index) => byte === sent[index]),
    );
    assertEquals(await agent.wait("c1"), 0);
    for (const host of hosts) host.close();
  });

  agentTest("containers share IPC and UTS, and the host name is the sandbox's", async (agent) => {
    agent.guest.pod.hostname = "the-pod";
    const script =
      "hostname; for n in ipc uts pid; do readlink /proc/self/ns/$n; done; exec >&-; sleep 100";
    const lines: string[][] = [];
    for (const id of ["c1", "c2"]) {
      await agent.run(id, ["sh", "-c", script]);
      lines.push((await agent.output(id)).trim().split("\n"));
    }
    assertEquals(lines[0]?.slice(0, 3), lines[1]?.slice(0, 3));
    assertEquals(lines[0]?.[0], "the-pod");
    assert(lines[0]?.[3] !== lines[1]?.[3]);
  });

  agentTest(
    "a shared process namespace is joined, and made anew when its init ended",
    async (agent) => {
      const run = async (containerId: string, args: string[]): Promise<void> => {
        await agent.call("createContainer", {
          containerId,
          OCI: agent.spec(args),
          sandboxPidns: true,
        });
        await agent.call("startContainer", { containerId });
      };
      await run("pause", ["sleep", "100"]);
      await run("c1", ["sh", "-c", "echo $$; exit 1"]);
      assert(Number(await agent.output("c1")) > 1);
      assertEquals(await agent.wait("c1"), 1);
      await agent.call("signalProcess", { containerId: "pause", signal: 9 });
      assertEquals(await agent.wait("pause"), 137);
      await run("c2", ["sh", "-c", "echo $$"]);
      assertEquals(await agent.output("c2"), "1\n");
    },
  );

  agentTest("wrong ids, states and requests are refused by name", async (agent) => {
    const refused = async (call: Promise<unknown>, code: Code, text: string): Promise<void> => {
      const error = await assertRejects(() => call, RuntimeError, text);
      assertEquals((error as RuntimeError).code, code);
    };
    const OCI = agent.spec(["true"]);
    await refused(
      agent.call("createContainer", { containerId: "../x", OCI }),
      Code.InvalidArgument,
      "container id",
    );
    await refused(
      agent.call("createContainer", { containerId: "c1" }),
      Code.InvalidArgument,
      "specification",
    );
    await refused(agent.call("startContainer", { containerId: "c9" }), Code.NotFound, "c9");
    await agent.call("createContainer", { containerId: "c1", OCI });
    await refused(
      agent.call("createContainer", { containerId: "c1", OCI }),
      Code.AlreadyExists,
      "c1",
    );
    await agent.call("startContainer", { containerId: "c1" });
    await refused(
      agent.call("startContainer", { containerId: "c1" }),
      Code.FailedPrecondition,
      "cannot start",
    );
    await refused(
      agent.call("signalProcess", { containerId: "c1", signal: 99 }),
      Code.InvalidArgument,
      "99",
    );
    await agent.wait("c1");
    const late = agent.call("execProcess", {
      containerId: "c1",
      execId: "e",
      process: agent.process(["true"]),
    });
    await refused(late, Code.FailedPrecondition, "stopped");
  });

  agentTest("RemoveContainer kills what runs", async (agent) => {
    await agent.run("c1", ["sh", "-c", "trap '' TERM; sleep 100"]);
    const waiter = agent.wait("c1");
    await agent.call("removeContainer", { containerId: "c1" });
    assertEquals(await waiter, 137);
    assertEquals(await agent.leftovers(), []);
  });
}

async function stream(agent: AgentFixture, number: number): Promise<FdStream> {
  const [ours, theirs] = socketPair().map((fd) => new FdStream(fd)) as [FdStream, FdStream];
  const accepted = agent.guest.pod.streams.accept(theirs);
  await ours.write(new TextEncoder().encode(`STREAM ${number}\n`));
  const answer = new Uint8Array(3);
  await ours.read(answer);
  assertEquals(new TextDecoder().decode(answer), "OK\n");
  await accepted;
  return ours;
}

async function readAll(from: FdStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65536);
  for (let count; (count = await from.read(buffer)) !== null;) parts.push(buffer.slice(0, count));
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}
