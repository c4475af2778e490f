import { assertEquals } from "@std/assert";
import { isAlive } from "../../common/linux/process.ts";
import { cleanUp, markedProcesses } from "./clean_up.ts";
import { RunningVmProcess } from "./vm_process.ts";
import { initialVmState } from "./vm_state.ts";

const SLEEP = { role: "sleep", argv: ["/bin/sleep", "60"] };

// The program's one reaper stays between tests.
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("cleanUp ends a process that was spawned but never saved, and no other VM's", async () => {
  const ours = RunningVmProcess.spawn({ ...SLEEP, stateDir: "/run/clean-up-test/a" });
  const other = RunningVmProcess.spawn({ ...SLEEP, stateDir: "/run/clean-up-test/ab" });
  try {
    await cleanUp(initialVmState("test", "a", "/run/clean-up-test/a"));
    assertEquals(await ours.exited, { signal: 9 });
    assertEquals(markedProcesses("/run/clean-up-test/a"), []);
    assertEquals(isAlive(other.pid, other.saved.startTime), true);
  } finally {
    await other.kill();
  }
});

test("cleanUp does not hit a process that reuses a saved id", async () => {
  const stranger = RunningVmProcess.spawn({ ...SLEEP, stateDir: "/run/clean-up-test/c" });
  const stale = { ...stranger.saved, startTime: stranger.saved.startTime - 1 };
  try {
    await cleanUp({
      driver: "test",
      id: "d",
      stateDir: "/run/clean-up-test/d",
      processes: [stale],
    });
    assertEquals(isAlive(stranger.pid, stranger.saved.startTime), true);
  } finally {
    await stranger.kill();
  }
});

test("RunningVmProcess keeps the last words of a process", async () => {
  const argv = ["/bin/sh", "-c", "echo cannot go on >&2; exit 3"];
  const process = RunningVmProcess.spawn({ role: "sh", argv, stateDir: "/run/clean-up-test/e" });
  assertEquals(await process.exited, { code: 3 });
  assertEquals(process.output.lines(5), "cannot go on");
});
