import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  getpid,
  getppid,
  isAlive,
  kill,
  processExists,
  processStartTime,
  setOomScoreAdj,
  signalName,
  signalNumber,
  SIGNALS,
} from "./process.ts";
import { reaper } from "./reaper.ts";
import { spawn } from "./spawn.ts";
import { SyscallError } from "./syscall_error.ts";

Deno.test("a process is known by id and start time until it has ended", async () => {
  const pid = spawn({ argv: ["/bin/sleep", "100"] });
  const started = processStartTime(pid);
  assertEquals([isAlive(pid, started), isAlive(pid, started + 1)], [true, false]);
  assertEquals(started >= processStartTime(getpid()), true);
  setOomScoreAdj(pid, 500);
  assertEquals(Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`), "500\n");
  kill(pid, "SIGTERM");
  assertEquals(await reaper().exit(pid), { signal: 15 });
  assertEquals([isAlive(pid, started), processExists(pid)], [false, false]);
  assertEquals(assertThrows(() => processStartTime(pid), SyscallError).code, "ESRCH");
  assertEquals(assertThrows(() => kill(pid, 0), SyscallError).code, "ESRCH");
});

Deno.test("isAlive is false for a zombie, and reads names with brackets", async () => {
  const path = `${await Deno.makeTempDir()}/a) R (b`;
  await Deno.copyFile("/bin/true", path);
  await Deno.chmod(path, 0o755);
  const pid = spawn({ argv: [path] });
  const started = processStartTime(pid);
  await reaper().exit(spawn({ argv: ["/bin/sleep", "0.05"] }));
  assertEquals([isAlive(pid, started), processExists(pid)], [false, true]);
  await reaper().exit(pid);
  await Deno.remove(path.slice(0, path.lastIndexOf("/")), { recursive: true });
});

Deno.test("kill refuses ids that mean everybody", () => {
  for (const pid of [0, -1, NaN, 1.5]) assertThrows(() => kill(pid, 0), RangeError);
});

Deno.test("getppid is the parent's id", () => assertEquals(getppid(), Deno.ppid));

Deno.test("signalNumber and signalName are each other's inverse", () => {
  fc.assert(fc.property(fc.constantFrom(...Object.values(SIGNALS)), (number) => {
    const name = signalName(number);
    assertEquals(signalNumber(name), number);
    assertEquals(signalNumber(name.slice(3).toLowerCase()), number);
    assertEquals(signalNumber(String(number)), number);
  }));
  for (const text of ["", "0", "65", "SIG", "SIGNOPE", "-9", "9x", "toString"]) {
    assertThrows(() => signalNumber(text), RangeError);
  }
  assertEquals(signalName(40), "SIG40");
});
