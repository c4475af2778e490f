import { assert, assertEquals, assertThrows } from "@std/assert";
import { kill } from "../../common/linux/process.ts";
import { SyscallError } from "../../common/linux/syscall_error.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { TaskClient } from "../support/task_client.ts";

/** Numbers that no process of the host can have. Source: the kernel's PID_MAX_LIMIT. */
const BEYOND_HOST = 4_194_304;

/** A folder of the host, at a place that the image lacks. */
const VOLUME = "type=bind,src=/etc,dst=/volume,options=rbind:ro";

Deno.test("what an engine sees of a container's processes", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const id = "view";
    await containerd.ctrOutput([
      ...["run", "-d", "--runtime", SHIM_PATH, "--mount", VOLUME, BUSYBOX, id],
      ...["sh", "-c", "sleep 1000 & exec sleep 2000"],
    ]);
    using client = await TaskClient.connect(containerd, id);
    const { pid } = await client.task.state({ id });

    await test.step("Pids lists children of the guest too, with numbers that are nobody's", async () => {
      const list = async () => (await client.task.pids({ id })).processes.map(({ pid }) => pid);
      let pids = await list();
      const deadline = Date.now() + 30_000; // the shell has started, its child may not have
      while (pids.length < 2 && Date.now() < deadline) pids = await list();
      assertEquals(pids.length, 2, `${pids}`);
      assertEquals(pids[0], pid);
      assert((pids[1] ?? 0) > BEYOND_HOST, `${pids}`);
    });

    await test.step("its files are at its pid, so that engines copy into them and not into the host's", async () => {
      const names = [...Deno.readDirSync(`/proc/${pid}/root`)].map(({ name }) => name);
      assert(names.includes("bin") && !names.includes("boot"), names.join(" "));
      assert(Deno.statSync(`/proc/${pid}/root/volume/hostname`).isFile); // where the image has no folder
      await Deno.writeTextFile(`/proc/${pid}/root/kata-view`, "hello");
      const { stdout } = await client.run("look", ["cat", "/kata-view"]);
      assertEquals(stdout, "hello");
      assertThrows(() => Deno.statSync("/kata-view"), Deno.errors.NotFound);
    });

    await test.step("when its exit is told, its pid is gone", async () => {
      await client.task.kill({ id, signal: 9 });
      await client.task.wait({ id });
      assertThrows(() => kill(pid, 0), SyscallError, "ESRCH");
      assertEquals((await client.task.pids({ id })).processes.map((each) => each.pid), [pid]);
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("a container with a user namespace has it in the guest", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const flags = ["--uidmap", "0:1000:65535", "--gidmap", "0:2000:65535"];
    const script =
      "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /file; stat -c %u /file";
    const result = await containerd.run("mapped", ["sh", "-c", script], { flags });
    const lines = result.stdout.trim().split("\n").map((line) =>
      line.trim().replaceAll(/ +/g, " ")
    );
    assertEquals(lines, ["0 1000 65535", "0 2000 65535", "0", "0"], result.stderr);
    assertEquals(result.code, 0);
  }
  assertEquals(await leaks(before), []);
});
