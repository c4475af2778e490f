import { assertEquals, assertRejects } from "@std/assert";
import { withDeadline } from "./deadline.ts";
import { Code, RuntimeError } from "./errors.ts";

const never = new Promise<never>(() => {});

Deno.test("withDeadline gives what the work gives in time", async () => {
  assertEquals(await withDeadline(Promise.resolve(1), 1000, "Work"), 1);
  assertEquals(await withDeadline(() => Promise.resolve(2), 1e12, "Work"), 2);
  await assertRejects(
    () => withDeadline(Promise.reject(new Error("own")), 1000, "Work"),
    Error,
    "own",
  );
});

Deno.test("withDeadline rejects at the deadline and tells the work", async () => {
  const told: unknown[] = [];
  const work = (signal: AbortSignal): Promise<never> => {
    signal.addEventListener("abort", () => told.push(signal.reason));
    return never;
  };
  const error = await assertRejects(
    () => withDeadline(work, 5, "Boot"),
    RuntimeError,
    "Boot took longer than 5 ms",
  );
  assertEquals(error.code, Code.DeadlineExceeded);
  assertEquals(told, [error]);
});

Deno.test("withDeadline stops when the caller's signal aborts, before or during the work", async () => {
  const controller = new AbortController();
  const waiting = assertRejects(
    () => withDeadline(never, 1000, "Work", controller.signal),
    Error,
    "enough",
  );
  controller.abort(new Error("enough"));
  await waiting;
  let begun = false;
  const work = (): Promise<void> => Promise.resolve(void (begun = true));
  await assertRejects(() => withDeadline(work, 1000, "Work", controller.signal), Error, "enough");
  assertEquals(begun, false);
});
