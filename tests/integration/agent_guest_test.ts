/** The compiled agent in its guest, where cgroups are real: limits, kills for memory, freezing, the end of the VM. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProcessSchema, SpecSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import type { Connection } from "../../common/protocol/transport/connection.ts";
import { AgentGuest } from "./agent_guest.ts";

const DIST = Deno.env.get("KATA_DIST") ?? new URL("../../dist", import.meta.url).pathname;
const SHARED = "/run/kata-containers/shared/containers";
const MIB = 1n << 20n;

function process(args: string[]): MessageInitShape<typeof ProcessSchema> {
  return { Args: args, Env: ["PATH=/bin"], Cwd: "/", User: {} };
}

function spec(args: string[], limit = 0n): MessageInitShape<typeof SpecSchema> {
  return {
    Version: "1.0.2",
    Process: process(args),
    Root: { Path: `${SHARED}/c1/rootfs` },
    Mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    Linux: {
      Namespaces: [{ Type: "pid" }, { Type: "mount" }],
      Resources: { Memory: { Limit: limit }, Devices: [{ Allow: false, Access: "rwm" }] },
    },
  };
}

async function prepare(guest: AgentGuest): Promise<void> {
  const rootfs = `${guest.dir}/share/c1/rootfs`;
  await Deno.mkdir(`${rootfs}/bin`, { recursive: true });
  for (const folder of ["proc", "dev", "sys"]) await Deno.mkdir(`${rootfs}/${folder}`);
  await Deno.copyFile("/bin/busybox", `${rootfs}/bin/busybox`);
  for (const applet of ["sh", "sleep", "true", "uname"]) {
    await Deno.symlink("busybox", `${rootfs}/bin/${applet}`);
  }
  const options = ["trans=virtio", "version=9p2000.L", "msize=524288"];
  const share = { driver: "9p", source: "kataShared", fstype: "9p", mountPoint: SHARED, options };
  await guest.agent.createSandbox({ sandboxId: "pod", hostname: "pod", storages: [share] });
}

async function figures({ agent }: AgentGuest): Promise<{ files: number; tasks: number }> {
  const { metrics } = await agent.getMetrics({});
  const value = (name: string): number =>
    Number(new RegExp(`^${name} (.*)$`, "m").exec(metrics)?.[1]);
  return { files: value("kata_agent_process_open_fds"), tasks: value("kata_guest_tasks") };
}

async function readAll(from: Connection): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(4096);
  for (let count; (count = await from.read(buffer)) !== null;) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

Deno.test({
  name: "the agent in its guest",
  sanitizeOps: false, // libc stays loaded, and the dialer's socket closes in its own time
  sanitizeResources: false,
  fn: async (t) => {
    await using guest = await AgentGuest.boot(DIST);
    const { agent } = guest;
    await prepare(guest);
    const containerId = "c1";

    await t.step("runs a container with the guest's kernel", async () => {
      const [stdoutPort, stdout] = await guest.stream();
      await agent.createContainer({
        containerId,
        OCI: spec(["sh", "-c", "uname -r; exit 7"]),
        stdoutPort,
      });
      await agent.startContainer({ containerId });
      assert(/^\d+\.\d+/.test(await readAll(stdout)));
      assertEquals((await agent.waitProcess({ containerId })).status, 7);
      await agent.removeContainer({ containerId });
    });

    await t.step("counts, freezes and limits a container", async () => {
      await agent.createContainer({ containerId, OCI: spec(["sleep", "1000"], 64n * MIB) });
      await agent.startContainer({ containerId });
      const before = await agent.statsContainer({ containerId });
      assertEquals(before.cgroupStats?.memoryStats?.usage?.limit, 64n * MIB);
      assertEquals(before.cgroupStats?.pidsStats?.current, 1n);
      await agent.pauseContainer({ containerId });
      await assertRejects(() => agent.pauseContainer({ containerId }), Error, "paused");
      await agent.resumeContainer({ containerId });
      await agent.updateContainer({ containerId, resources: { Memory: { Limit: 32n * MIB } } });
      const after = await agent.statsContainer({ containerId });
      assertEquals(after.cgroupStats?.memoryStats?.usage?.limit, 32n * MIB);
    });

    await t.step("tells of a kill for memory before the exit; the container lives on", async () => {
      const order: string[] = [];
      const told = agent.getOOMEvent({}).then((event) => order.push(`oom ${event.containerId}`));
      const hog = process(["sh", "-c", "x=a; while :; do x=$x$x$x$x; done"]);
      await agent.execProcess({ containerId, execId: "hog", process: hog });
      const { status } = await agent.waitProcess({ containerId, execId: "hog" });
      order.push(`exit ${status}`);
      await told;
      assertEquals(order, ["oom c1", "exit 137"]);
      await agent.execProcess({ containerId, execId: "next", process: process(["true"]) });
      assertEquals((await agent.waitProcess({ containerId, execId: "next" })).status, 0);
    });

    await t.step("kills everything in a container at once", async () => {
      await agent.execProcess({ containerId, execId: "e1", process: process(["sleep", "1000"]) });
      await agent.signalProcess({ containerId, signal: 9 });
      assertEquals((await agent.waitProcess({ containerId, execId: "e1" })).status, 137);
      assertEquals((await agent.waitProcess({ containerId })).status, 137);
      await agent.removeContainer({ containerId });
    });

    await t.step("leaves no process and no descriptor behind after 30 containers", async () => {
      const before = await figures(guest);
      for (let round = 0; round < 30; round++) {
        await agent.createContainer({ containerId, OCI: spec(["true"]) });
        await agent.startContainer({ containerId });
        assertEquals((await agent.waitProcess({ containerId })).status, 0);
        await agent.removeContainer({ containerId });
      }
      const after = await figures(guest);
      assert(after.files <= before.files, `${after.files} descriptors, ${before.files} before`);
      // Kernel threads and the agent's pool come and go.
      assert(after.tasks <= before.tasks + 10, `${after.tasks} tasks, ${before.tasks} before`);
    });

    await t.step("turns the VM off when the sandbox is destroyed", async () => {
      await agent.destroySandbox({});
      assertEquals((await guest.exited).code, 0);
    });
  },
});
