import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Status } from "../../common/protocol/gen/containerd/process_pb.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { Fifo, TaskClient } from "../support/task_client.ts";
import { background } from "./background.ts";

const MIB = 1024 * 1024;

/** A logger as containerd's clients have them: takes both streams, says when it is ready, ends with its input. */
const LOGGER = `#!/bin/sh
echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $1 $2" >"$2.env"
cat <&3 >"$2.out" 5>&- &
cat <&4 >"$2.err" 5>&- &
exec 3<&- 4<&- 5>&-
trap 'wait' TERM
wait
`;

async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await check()) {
    if (Date.now() > deadline) throw new Error(`Not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("stdio of containers", async (test) => {
  const before = await snapshot();
  const folder = await Deno.makeTempDir({ prefix: "kata-stdio-" });
  {
    await using containerd = await Containerd.start();

    await test.step("a file takes the output, its folder is made", async () => {
      const log = `${folder}/deep/log`;
      const run = ["run", "-d", "--runtime", SHIM_PATH, "--log-uri", `file://${log}`];
      await containerd.ctrOutput([...run, BUSYBOX, "file", "sh", "-c", "echo out; echo err >&2"]);
      await eventually(
        "a stopped task",
        async () => (await containerd.ctrOutput(["task", "ls"])).includes("STOPPED"),
      );
      const lines = (await Deno.readTextFile(log)).trim().split("\n");
      assertEquals(lines.sort(), ["err", "out"]);
      await containerd.ctrOutput(["task", "rm", "file"]);
      await containerd.ctrOutput(["container", "rm", "file"]);
    });

    await test.step("a logging program takes both streams, to the last byte", async () => {
      const logger = `${folder}/logger`, log = `${folder}/taken`;
      await Deno.writeTextFile(logger, LOGGER, { mode: 0o755 });
      const script = "echo out; echo err >&2; dd if=/dev/zero bs=1M count=8 2>/dev/null";
      const run = ["run", "-d", "--runtime", SHIM_PATH];
      run.push("--log-uri", `binary://${logger}?to=${log}`);
      await containerd.ctrOutput([...run, BUSYBOX, "binary", "sh", "-c", script]);
      await eventually("the logger's end", () => {
        const { size } = Deno.statSync(`${log}.out`);
        return size === 8 * MIB + 4;
      });
      assertEquals(await Deno.readTextFile(`${log}.err`), "err\n");
      assertEquals(await Deno.readTextFile(`${log}.env`), `default/binary to ${log}\n`);
      await containerd.ctr(["task", "rm", "-f", "binary"]);
      await containerd.ctr(["container", "rm", "binary"]);
    });

    await test.step("a logging program that is not there fails the container by name", async () => {
      const run = ["run", "-d", "--runtime", SHIM_PATH, "--log-uri", "binary:///no/such/logger"];
      const { code, stderr } = await containerd.ctr([...run, BUSYBOX, "nologger", "true"]);
      assert(code !== 0);
      assertStringIncludes(stderr, "/no/such/logger");
      await containerd.ctr(["container", "rm", "nologger"]);
    });

    const child = await background(containerd, "io");
    const id = "io";
    using client = await TaskClient.connect(containerd, id);
    const { task } = client;

    await test.step("100 MiB through a terminal arrive whole", async () => {
      const count = async (path: string): Promise<number> => {
        using file = await Deno.open(path);
        let total = 0;
        for await (const bytes of file.readable) total += bytes.length;
        return total;
      };
      using fifo = await Fifo.make();
      const execId = "tty";
      const line = "0123456789abcdef".repeat(4).slice(1); // 63 characters; a terminal makes \n two bytes
      const dd = "dd bs=64k iflag=fullblock count=1600 2>/dev/null";
      const args = ["sh", "-c", `yes ${line} | ${dd}`];
      await client.exec({ execId, args, stdout: fifo.path, terminal: true });
      const total = count(fifo.path);
      const exited = task.wait({ id, execId }, { timeoutMs: 300_000 });
      await task.start({ id, execId });
      assertEquals((await exited).exitStatus, 0);
      await task.delete({ id, execId });
      assertEquals(await total, 100 * MIB / 64 * 65);
    });

    await test.step("a reader may leave and come back; nobody reading holds the process, not the shim", async () => {
      using fifo = await Fifo.make();
      const execId = "slow";
      await client.exec({
        execId,
        args: ["sh", "-c", "dd if=/dev/zero bs=1M count=32 2>/dev/null; sleep 1000"],
        stdout: fifo.path,
      });
      const take = async (bytes: number): Promise<number> => {
        using file = await Deno.open(fifo.path);
        const buffer = new Uint8Array(64 * 1024);
        let taken = 0;
        while (taken < bytes) taken += await file.read(buffer.subarray(0, bytes - taken)) ?? 0;
        return taken;
      };
      const first = take(MIB);
      await task.start({ id, execId });
      await first;
      const since = Date.now();
      assertEquals((await task.state({ id, execId })).status, Status.RUNNING);
      assert(Date.now() - since < 2_000);
      await take(31 * MIB);
      await task.kill({ id, execId, signal: 9 });
      await task.wait({ id, execId });
      await task.delete({ id, execId });
    });

    await test.step("a container, its streams and execs outlive a restart of containerd", async () => {
      using fifo = await Fifo.make();
      using input = await Fifo.make();
      const execId = "cat";
      await client.exec({ execId, args: ["cat"], stdin: input.path, stdout: fifo.path });
      const exited = task.wait({ id, execId });
      const writer = await Deno.open(input.path, { read: true, write: true });
      const text = fifo.readText();
      await task.start({ id, execId });
      await writer.write(new TextEncoder().encode("before\n"));
      await containerd.restart(async () => {
        await writer.write(new TextEncoder().encode("meanwhile\n"));
      });
      await writer.write(new TextEncoder().encode("after\n"));
      await task.closeIO({ id, execId, stdin: true });
      writer.close();
      assertEquals((await exited).exitStatus, 0);
      await task.delete({ id, execId });
      assertEquals(await text, "before\nmeanwhile\nafter\n");
      assertStringIncludes(await containerd.ctrOutput(["task", "ls"]), "RUNNING");
      const hi = await containerd.ctrOutput(["task", "exec", "--exec-id", "hi", id, "echo", "hi"]);
      assertEquals(hi, "hi\n");
    });

    await test.step("what ctr exec is sent comes back, and it ends", async () => {
      const exec = ["task", "exec", "--exec-id", "piped", id, "cat"];
      assertEquals((await containerd.ctr(exec, { stdin: "123\n" })).stdout, "123\n");
      const none = await containerd.ctr(["task", "exec", "--exec-id", "none", id, "cat"]);
      assertEquals([none.stdout, none.code], ["", 0]);
    });

    await containerd.ctr(["task", "kill", "-s", "SIGKILL", id]);
    await child.finish(); // ctr lost its containerd: it has failed or not
    await containerd.ctr(["task", "rm", "-f", id]);
    await containerd.ctr(["container", "rm", id]);
  }
  await Deno.remove(folder, { recursive: true });
  assertEquals(await leaks(before), []);
});
