/** What conmon expects of a runtime, driven as CRI-O does with `runtime_type = "oci"`: pods by CRI-O's annotations. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Bundle } from "../support/bundle.ts";
import { awaitFile, conmon, told } from "../support/conmon.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { OciCli } from "../support/oci_cli.ts";

const FOREVER =
  "trap 'exit 9' TERM; trap 'echo again' USR1; echo up; while :; do sleep 1000 & wait; done";
const POD = "crio-pod";

/** Lines of a log without time and stream. Source: the CRI's log format. */
function said(log: string): string[] {
  return log.split("\n").filter(Boolean).map((line) => line.replace(/^\S+ (std\w+) [FP] ?/, "$1 "));
}

function annotations(kind: "sandbox" | "container"): Record<string, string> {
  return { "io.kubernetes.cri-o.ContainerType": kind, "io.kubernetes.cri-o.SandboxID": POD };
}

function sandboxBundle(script: string, terminal = false): Bundle {
  const json = { annotations: annotations("sandbox") };
  return Bundle.make(["sh", "-c", script], { json, terminal });
}

/** A member names the namespaces of the pod's first process, as the kubelet's containers do. */
function memberBundle(script: string, pid: number): Bundle {
  const joined = { network: "net", ipc: "ipc", uts: "uts" };
  const namespaces = [
    ...Object.entries(joined).map(([type, name]) => ({ type, path: `/proc/${pid}/ns/${name}` })),
    ...["mount", "pid"].map((type) => ({ type })),
  ];
  const json = { annotations: annotations("container"), linux: { namespaces } };
  return Bundle.make(["sh", "-c", script], { json });
}

async function exitOf(exits: string, id: string): Promise<number> {
  return await awaitFile(`${exits}/${id}`, (text) => text === "" ? undefined : Number(text));
}

const PROCESS = { cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, terminal: false };

Deno.test("conmon runs a pod of two containers by CRI-O's annotations", async (test) => {
  const before = await snapshot();
  const exits = await Deno.makeTempDir({ prefix: "kata-exits-" });
  {
    await using cli = new OciCli();
    using sandbox = sandboxBundle(FOREVER);
    await using bundles = new AsyncDisposableStack();
    const place = { id: POD, bundle: sandbox.path, exits };
    const pod = await conmon(cli, place);

    await test.step("the pid that it is told is the one in the pid file, and alive", async () => {
      const [answer] = await told(pod.sync);
      const pid = Number(await Deno.readTextFile(pod.pidFile));
      assertEquals(answer?.data, pid);
      assert(pid > 0 && (await Deno.stat(`/proc/${pid}/ns/net`)) !== undefined);
      assertEquals(await cli.status(POD), "created");
      await cli.output(["start", POD]);
      await awaitFile(pod.log, (log) => said(log).includes("stdout up") || undefined);
    });
    await test.step("a log is begun anew when it was moved away (before any exec: that takes the control file)", async () => {
      await Deno.rename(pod.log, `${pod.log}.1`);
      await Deno.writeTextFile(pod.control, "2 0 0\n");
      await cli.output(["kill", POD, "USR1"]);
      await awaitFile(pod.log, (log) => said(log).includes("stdout again") || undefined);
      assert(!(await Deno.readTextFile(`${pod.log}.1`)).includes("again"));
    });
    await test.step("a member of the pod shares its VM and its localhost", async () => {
      const serving = "echo page >/tmp/page; httpd -p 8080 -h /tmp; " + FOREVER;
      const web = bundles.use(
        memberBundle(serving, Number(await Deno.readTextFile(pod.pidFile))),
      );
      const member = await conmon(cli, { id: "web", bundle: web.path, exits });
      await told(member.sync);
      await cli.output(["start", "web"]);
      await awaitFile(member.log, (log) => said(log).includes("stdout up") || undefined);
      const script = "until wget -qO- 127.0.0.1:8080/page; do sleep 0.1; done";
      const exec = { ...PROCESS, args: ["sh", "-c", script] };
      const run = await conmon(cli, place, { exec });
      const answers = await told(run.sync, 2);
      assertEquals(answers.at(-1)?.data, 0);
      assertStringIncludes(await Deno.readTextFile(run.log), "page");
      const sandboxes = JSON.parse(await cli.output(["sandboxes", "--json"]));
      assertEquals(sandboxes.filter(({ id }: { id: string }) => id === POD).length, 1);
    });
    await test.step("exec sync: both streams in its log, the status by its pipe", async () => {
      const exec = { ...PROCESS, args: ["sh", "-c", "echo out; echo err >&2; exit 4"] };
      const run = await conmon(cli, place, { exec });
      const [first, last] = await told(run.sync, 2);
      assert(Number(first?.data) > 0);
      assertEquals(last?.data, 4);
      assertEquals(said(await Deno.readTextFile(run.log)).sort(), ["stderr err", "stdout out"]);
    });
    await test.step("exec of what is not there fails with the runtime's words", async () => {
      const run = await conmon(cli, place, { exec: { ...PROCESS, args: ["nosuch"] } });
      const [answer] = await told(run.sync);
      assert(Number(answer?.data) < 0, JSON.stringify(answer));
      assertMatch(String(answer?.message), /executable file not found/);
    });
    await test.step("each status is in the exit file of its container", async () => {
      await cli.output(["kill", "web", "KILL"]);
      assertEquals(await exitOf(exits, "web"), 137);
      await cli.output(["kill", POD, "TERM"]);
      assertEquals(await exitOf(exits, POD), 9);
      for (const id of ["web", POD]) await cli.output(["delete", "--force", id]);
    });
  }
  await Deno.remove(exits, { recursive: true });
  assertEquals(await leaks(before), []);
});

Deno.test("conmon gives a container its terminal, and its size", async () => {
  const before = await snapshot();
  const exits = await Deno.makeTempDir({ prefix: "kata-exits-" });
  {
    await using cli = new OciCli();
    const script =
      "tty; until [ \"$(stty size)\" = '33 44' ]; do sleep 0.1; done; echo resized; exit 3";
    using bundle = sandboxBundle(script, true);
    const run = await conmon(cli, { id: POD, bundle: bundle.path, exits }, { terminal: true });
    await told(run.sync);
    await cli.output(["start", POD]);
    await awaitFile(run.log, (log) => log.includes("/dev/pts/") || undefined);
    await Deno.writeTextFile(run.control, "1 33 44\n");
    assertEquals(await exitOf(exits, POD), 3);
    assertStringIncludes(await Deno.readTextFile(run.log), "resized");
    await cli.output(["delete", "--force", POD]);
  }
  await Deno.remove(exits, { recursive: true });
  assertEquals(await leaks(before), []);
});
