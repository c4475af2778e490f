import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { Code, RuntimeError } from "../base/errors.ts";
import { pollIdle } from "./poll.ts";
import { run } from "./subprocess.ts";
import { SyscallError } from "./syscall_error.ts";

const sh = (line: string): string[] => ["/bin/sh", "-c", line];
const timeoutMs = 10_000;

Deno.test("run returns code and output, and feeds input", async () => {
  const stdin = new Uint8Array(500_000).fill(97);
  const result = await run(sh("wc -c; echo oops >&2; exit 3"), { stdin, timeoutMs });
  assertEquals(result, { code: 3, stdout: "500000\n", stderr: "oops\n" });
  assertEquals(await run(sh("kill -TERM $$"), { timeoutMs }), {
    code: 143,
    stdout: "",
    stderr: "",
  });
});

Deno.test("run does not mind a program that ignores its input", async () => {
  const stdin = new Uint8Array(1_000_000);
  assertEquals((await run(["/bin/true"], { stdin, timeoutMs })).code, 0);
  await pollIdle();
});

Deno.test("run kills the whole group at its deadline", async () => {
  const marker = `12${Deno.pid}.5`;
  const started = performance.now();
  const error = await assertRejects(
    () => run(sh(`sleep ${marker} & sleep ${marker}`), { timeoutMs: 100 }),
    RuntimeError,
    "/bin/sh took longer than 100 ms",
  );
  assertEquals(error.code, Code.DeadlineExceeded);
  assertLess(performance.now() - started, 3000);
  const left = await run(sh(`ps -eo args= | grep -c '^sleep ${marker}'`), { timeoutMs });
  assertEquals(left.stdout, "0\n");
  await pollIdle();
});

Deno.test("run bounds the output", async () => {
  const error = await assertRejects(
    () => run(["/bin/cat", "/dev/zero"], { timeoutMs, maxOutputBytes: 1000 }),
    RuntimeError,
    "stdout of /bin/cat exceeds 1000 bytes",
  );
  assertEquals(error.code, Code.ResourceExhausted);
  const exact = await run(sh("head -c 1000 /dev/zero"), { timeoutMs, maxOutputBytes: 1000 });
  assertEquals(exact.stdout.length, 1000);
  await pollIdle();
});

Deno.test("run stops when its signal aborts", async () => {
  const signal = AbortSignal.timeout(30);
  const error = await assertRejects(
    () => run(["/bin/sleep", "100"], { timeoutMs, signal }),
    RuntimeError,
  );
  assertEquals(error.code, Code.Canceled);
  await pollIdle();
});

Deno.test("run does not wait for a daemon that keeps the output open", async () => {
  const started = performance.now();
  const result = await run(sh("echo done; sleep 3 &"), { timeoutMs });
  assertEquals(result, { code: 0, stdout: "done\n", stderr: "" });
  assertLess(performance.now() - started, 2500);
  await pollIdle();
});

Deno.test("run says what cannot be started, and leaks no descriptor", async () => {
  const open = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
  await assertRejects(() => run(["/no/such"], { timeoutMs }), SyscallError, "ENOENT");
  const before = open();
  for (let i = 0; i < 20; i++) {
    await assertRejects(() => run(["/no/such"], { timeoutMs }), SyscallError, "ENOENT");
    await run(["/bin/true"], { timeoutMs });
  }
  assertEquals(open(), before);
});
