import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { AsyncQueue } from "./queue.ts";

Deno.test("AsyncQueue gives items in order, whoever comes first", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.boolean()), async (steps) => {
    const queue = new AsyncQueue<number>();
    const taken: Promise<number>[] = [];
    let pushed = 0;
    for (const push of steps) push ? queue.push(pushed++) : taken.push(queue.next());
    while (pushed < taken.length) queue.push(pushed++);
    assertEquals(await Promise.all(taken), taken.map((_, index) => index));
    assertEquals(queue.size, pushed - taken.length);
  }));
});

Deno.test("AsyncQueue refuses items beyond its capacity and after close", async () => {
  const queue = new AsyncQueue<string>(1);
  assertEquals([queue.push("a"), queue.push("b")], [true, false]);
  queue.close();
  assertEquals(queue.push("c"), false);
  assertEquals(await queue.next(), "a");
  await assertRejects(() => queue.next(), Error, "closed");
});

Deno.test("AsyncQueue loses nothing when a waiter aborts", async () => {
  const queue = new AsyncQueue<number>();
  const controller = new AbortController();
  const aborted = assertRejects(() => queue.next(controller.signal), DOMException);
  const patient = queue.next();
  controller.abort();
  queue.push(1);
  assertEquals(await patient, 1);
  await aborted;
});

Deno.test("AsyncQueue iterates until closed", async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  const all = Array.fromAsync(queue);
  await Promise.resolve();
  queue.push(2);
  queue.close();
  assertEquals(await all, [1, 2]);
});
