import { assertEquals, assertRejects } from "@std/assert";
import { kill } from "./process.ts";
import { exitCodeOf, reaper } from "./reaper.ts";
import { spawn } from "./spawn.ts";
import { SyscallError } from "./syscall_error.ts";

const sh = (line: string): number => spawn({ argv: ["/bin/sh", "-c", line] });

Deno.test("Reaper.exit tells codes and signals", async () => {
  assertEquals(await reaper().exit(sh("exit 0")), { code: 0 });
  assertEquals(await reaper().exit(sh("exit 255")), { code: 255 });
  const killed = await reaper().exit(sh("kill -9 $$"));
  assertEquals(killed, { signal: 9 });
  assertEquals([exitCodeOf(killed), exitCodeOf({ code: 3 })], [137, 3]);
});

Deno.test("Reaper.exit answers all who wait for one process", async () => {
  const pid = sh("exit 4");
  const both = await Promise.all([reaper().exit(pid), reaper().exit(pid)]);
  assertEquals([...both, await reaper().exit(pid)], [{ code: 4 }, { code: 4 }, { code: 4 }]);
});

Deno.test("Reaper serves hundreds of children that end at once", async () => {
  const pids = Array.from({ length: 300 }, (_, index) => sh(`exit ${index % 256}`));
  const statuses = await Promise.all(pids.map((pid) => reaper().exit(pid)));
  assertEquals(statuses.map(exitCodeOf), pids.map((_, index) => index % 256));
});

Deno.test("Reaper leaves the children of Deno.Command alone unless it adopts orphans", async () => {
  const theirs = new Deno.Command("/bin/sh", { args: ["-c", "sleep 0.05; exit 7"] }).spawn();
  assertEquals(await reaper().exit(sh("exit 1")), { code: 1 });
  assertEquals((await theirs.status).code, 7);
});

Deno.test("Reaper learns of a child that ended before anybody asked", async () => {
  const pid = sh("exit 6");
  await reaper().exit(sh("sleep 0.05"));
  assertEquals(await reaper().exit(pid), { code: 6 });
});

Deno.test("Reaper adopts, reaps and remembers orphans", async () => {
  // In a program of its own, since adoption takes every child of it.
  const module = (name: string) => JSON.stringify(new URL(name, import.meta.url));
  const script = `
    import { becomeSubreaper } from ${module("./process.ts")};
    import { reaper } from ${module("./reaper.ts")};
    import { run } from ${module("./subprocess.ts")};
    becomeSubreaper();
    reaper().adoptOrphans();
    const timeoutMs = 5000;
    const early = await run(["/bin/sh", "-c", "(sleep 0.05; exit 9) >&- 2>&- & echo $!"], { timeoutMs });
    const late = await run(["/bin/sh", "-c", "(sleep 0.2; exit 8) >&- 2>&- & echo $!"], { timeoutMs });
    const codes = [await reaper().exit(Number(late.stdout)), await reaper().exit(Number(early.stdout))];
    const zombies = await run(["/bin/sh", "-c", "ps -o stat= --ppid $PPID | grep -c Z"], { timeoutMs });
    if (JSON.stringify(codes) !== '[{"code":8},{"code":9}]' || zombies.stdout !== "0\\n") {
      throw new Error(JSON.stringify([codes, zombies]));
    }
  `;
  const argv = [Deno.execPath(), "eval", "--no-lock", "--no-config", script];
  assertEquals(await reaper().exit(spawn({ argv, fds: { 2: 2 } })), { code: 0 });
});

Deno.test("Reaper.exit rejects for who does not exist or is not ours", async () => {
  const theirs = new Deno.Command("/bin/sh", { args: ["-c", "sleep 0.02 & echo $!; wait"] });
  const grandchild = theirs.output().then(({ stdout }) => Number(new TextDecoder().decode(stdout)));
  const gone = await grandchild;
  assertEquals((await assertRejects(() => reaper().exit(gone), SyscallError)).code, "ESRCH");
  assertEquals((await assertRejects(() => reaper().exit(2 ** 22), SyscallError)).code, "ESRCH");
});

Deno.test("Reaper.exit keeps the program alive until the child ends", async () => {
  const script = `
    import { spawn } from ${JSON.stringify(new URL("./spawn.ts", import.meta.url))};
    import { reaper } from ${JSON.stringify(new URL("./reaper.ts", import.meta.url))};
    const status = await reaper().exit(spawn({ argv: ["/bin/sleep", "0.1"] }));
    Deno.exit(status.code === 0 ? 42 : 1);
  `;
  const argv = [Deno.execPath(), "eval", "--no-lock", "--no-config", script];
  assertEquals(await reaper().exit(spawn({ argv })), { code: 42 });
});

Deno.test("kill reaches a whole process group", async () => {
  const pid = spawn({ argv: ["/bin/sh", "-c", "sleep 100 & wait"], processGroup: true });
  kill(-pid, "SIGKILL");
  assertEquals(await reaper().exit(pid), { signal: 9 });
});
