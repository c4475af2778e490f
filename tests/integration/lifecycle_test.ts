import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background } from "./background.ts";

Deno.test("a container's life through containerd", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();

    await test.step("SIGTERM reaches a trap, whose status comes back", async () => {
      const child = await background(containerd, "term");
      await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "term"]);
      assertEquals((await child.finish()).code, 5);
    });

    await test.step("SIGKILL ends a container with 137", async () => {
      const child = await background(containerd, "kill");
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "kill"]);
      assertEquals((await child.finish()).code, 137);
    });

    await test.step("SIGTERM ends a process that does not handle it, as SIGKILL since it is init", async () => {
      const child = await background(containerd, "plain", "echo up; exec sleep 1000");
      await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "plain"]);
      assertEquals((await child.finish()).code, 137);
    });

    await test.step("a second container with the same id is refused and the first lives on", async () => {
      const child = await background(containerd, "same");
      const second = await containerd.run("same", ["true"]);
      assertNotEquals(second.code, 0);
      assertMatch(second.stderr, /already exists/);
      assertMatch(await containerd.ctrOutput(["task", "ls"]), /same\s+\d+\s+RUNNING/);
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", "same"]);
      await child.finish();
    });

    await test.step("a missing command is said to be missing", async () => {
      const { code, stderr } = await containerd.run("missing", ["/no/such/command"]);
      assertNotEquals(code, 0);
      assertMatch(stderr, /executable file not found|no such file or directory/);
    });

    await test.step("a file without execute permission is said to be one", async () => {
      const { code, stderr } = await containerd.run("denied", ["/etc/passwd"]);
      assertNotEquals(code, 0);
      assertMatch(stderr, /permission denied/i);
    });

    await test.step("a missing root file system is named", async () => {
      const missing = [
        "run",
        "--rm",
        "--runtime",
        SHIM_PATH,
        "--rootfs",
        "/no/such/rootfs",
        "norootfs",
        "true",
      ];
      const { code, stderr } = await containerd.ctr(missing);
      assertNotEquals(code, 0);
      assertMatch(stderr, /\/no\/such\/rootfs|no such file or directory/);
    });

    await test.step("nothing is left in containerd", async () => {
      assertEquals(await containerd.list("task"), []);
      assertEquals(await containerd.list("container"), []);
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("20 containers in a row and 5 at once leave nothing", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    for (let at = 0; at < 20; at++) {
      const { stdout, code, stderr } = await containerd.run(`row${at}`, ["echo", `${at}`]);
      assertEquals([stdout, code], [`${at}\n`, 0], stderr);
    }
    const five = Array.from(
      { length: 5 },
      (_, at) => containerd.run(`five${at}`, ["echo", `${at}`]),
    );
    for (const [at, { stdout, code, stderr }] of (await Promise.all(five)).entries()) {
      assertEquals([stdout, code], [`${at}\n`, 0], stderr);
    }
    assertEquals(
      await leaks(before).then((left) =>
        left.filter((line) => !line.includes(containerd.directory))
      ),
      [],
    );
    assert((await containerd.list("snapshot")).every((name) => name.startsWith("sha256:")));
  }
  assertEquals(await leaks(before), []);
});
