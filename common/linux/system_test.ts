import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { bootTimeMs, monotonicMs, setSystemTime } from "./clock.ts";
import { addEntropy } from "./random.ts";
import { sethostname, sync, uname } from "./system.ts";
import { SyscallError } from "./syscall_error.ts";

Deno.test("monotonicMs advances with real time, and is what /proc/uptime counts", () => {
  const before = monotonicMs();
  const uptimeMs = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1000;
  assertLess(before, monotonicMs());
  assertLess(Math.abs(bootTimeMs() - uptimeMs), 1000);
});

Deno.test("setSystemTime refuses a second of too many nanoseconds", () => {
  assertEquals(assertThrows(() => setSystemTime(0, 1e9), SyscallError).code, "EINVAL");
});

Deno.test("addEntropy takes bounded randomness", () => {
  addEntropy(crypto.getRandomValues(new Uint8Array(32)));
  assertThrows(() => addEntropy(new Uint8Array(0)), RangeError);
  assertThrows(() => addEntropy(new Uint8Array(4097)), RangeError);
});

Deno.test("uname names this machine, and sethostname sets its name", () => {
  assertEquals(uname().sysname, "Linux");
  assertEquals(uname().release, Deno.osRelease());
  sethostname(uname().nodename); // to what it is
  assertEquals(assertThrows(() => sethostname("x".repeat(65)), SyscallError).code, "EINVAL");
  sync();
});
