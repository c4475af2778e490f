import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { EventLog } from "../support/event_log.ts";
import { rounds } from "../support/full.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { TaskClient } from "../support/task_client.ts";
import { pidsOf } from "./background.ts";

const LIFE = ["create", "start", "exit", "delete"];

Deno.test("events come once and in order", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    await using events = new EventLog(containerd);

    await test.step("of containers that end at once", async () => {
      for (let at = 0; at < rounds(5, 200); at++) {
        const id = `instant${at}`;
        assertEquals((await containerd.run(id, ["true"])).code, 0);
        await events.wait(id, "delete");
        assertEquals(events.of(id), LIFE);
        const pids = events.events.filter(({ fields }) => fields.container_id === id)
          .map(({ fields }) => fields.pid);
        assertEquals(new Set(pids).size, 1, `${pids}`);
        assertNotEquals(pids[0], 0);
      }
    });

    await test.step("of a container that is started and killed at the same time", async () => {
      for (let at = 0; at < rounds(3, 100); at++) {
        const id = `race${at}`;
        await containerd.ctrOutput([
          ...["container", "create", "--runtime", SHIM_PATH, BUSYBOX, id],
          ...["sleep", "1000"],
        ]);
        const started = containerd.ctr(["task", "start", "-d", id]);
        await events.wait(id, "create", 30_000);
        using client = await TaskClient.connect(containerd, id);
        await client.task.kill({ id, signal: 9, all: true });
        await started;
        assertEquals((await client.task.wait({ id })).exitStatus, 137);
        await containerd.ctr(["task", "rm", "-f", id]);
        await containerd.ctrOutput(["container", "rm", id]);
        await events.wait(id, "delete");
        assertEquals(events.of(id).filter((topic) => topic === "exit").length, 1);
      }
    });

    await test.step("of a container without enough memory: oom before exit", async () => {
      const flags = ["--memory-limit", `${32 * 1024 * 1024}`];
      const { code } = await containerd.run("oom", ["tail", "/dev/zero"], { flags });
      assertEquals(code, 137);
      await events.wait("oom", "delete");
      assertEquals(events.of("oom"), ["create", "start", "oom", "exit", "delete"]);
    });

    await test.step("of a container in whose life containerd was restarted", async () => {
      const id = "restart";
      const trap = "trap 'exit 5' TERM; while :; do sleep 0.1; done";
      const run = ["run", "-d", "--runtime", SHIM_PATH, BUSYBOX, id, "sh", "-c", trap];
      await containerd.ctrOutput(run);
      using client = await TaskClient.connect(containerd, id);
      await client.run("settle", ["sleep", "1"]); // until the trap is set
      await containerd.restart(async () => {
        await client.task.kill({ id, signal: 15 });
        assertEquals((await client.task.wait({ id })).exitStatus, 5);
      });
      const { stdout } = await containerd.ctr(["task", "ls"]);
      assert(/restart\s+\d+\s+STOPPED/.test(stdout), stdout);
      const { stderr } = await containerd.ctr(["task", "rm", id]); // ctr says the status, it does not take it over
      assert(/non-zero exit code 5/.test(stderr), stderr);
      await containerd.ctrOutput(["container", "rm", id]);
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("after the VM's death Kill and Delete answer, and the exit is told", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    await using events = new EventLog(containerd);
    const id = "dead";
    await containerd.ctrOutput([
      ...["run", "-d", "--runtime", SHIM_PATH, BUSYBOX, id],
      ...["sleep", "1000"],
    ]);
    using client = await TaskClient.connect(containerd, id);
    await client.exec({ execId: "e", args: ["sleep", "1000"] });
    await client.task.start({ id, execId: "e" });
    Deno.kill((await pidsOf(id)).vmm, "SIGKILL");
    assertEquals((await client.task.wait({ id })).exitStatus, 255);
    const since = Date.now();
    await containerd.ctr(["task", "kill", "-s", "SIGKILL", id]);
    await containerd.ctr(["task", "rm", "-f", id]);
    assert(Date.now() - since < 5_000, `${Date.now() - since} ms`);
    await events.wait(id, "delete");
    assertEquals(events.of(id).slice(-3), ["exit e", "exit", "delete"]);
    await containerd.ctrOutput(["container", "rm", id]);
  }
  assertEquals(await leaks(before), []);
});

Deno.test("what a VM cannot give is refused before one starts", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const since = Date.now();
    const { code, stderr } = await containerd.run("join", ["true"], {
      flags: ["--with-ns", "pid:/proc/1/ns/pid"],
    });
    assertNotEquals(code, 0);
    assert(/pid namespace "\/proc\/1\/ns\/pid"/.test(stderr), stderr);
    assert(Date.now() - since < 3_000);
  }
  assertEquals(await leaks(before), []);
});

Deno.test("-info in an empty folder, with or without options on stdin", async () => {
  for (const stdin of [undefined, "noise"]) {
    const cwd = await Deno.makeTempDir();
    const options = stdin === undefined ? { cwd } : { cwd, stdin };
    const { code, stdout, stderr } = await command([SHIM_PATH, "-info"], options);
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.includes("io.containerd.kata.v2"));
    await Deno.remove(cwd);
  }
});
