import { assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "./connection.ts";
import { joinConnections } from "./join.ts";

/** A side that says given things, hears others, and notes what becomes of it. */
class Side implements Connection {
  readonly heard: string[] = [];
  readonly #says: (string | Error)[];

  constructor(...says: (string | Error)[]) {
    this.#says = says;
  }

  read(into: Uint8Array): Promise<number | null> {
    const next = this.#says.shift();
    if (next instanceof Error) return Promise.reject(next);
    if (next === undefined) return Promise.resolve(null);
    return Promise.resolve(new TextEncoder().encodeInto(next, into).written);
  }

  /** Takes three bytes at most. */
  write(bytes: Uint8Array): Promise<number> {
    const part = bytes.subarray(0, 3);
    this.heard.push(new TextDecoder().decode(part));
    return Promise.resolve(part.length);
  }

  closeWrite(): Promise<void> {
    this.heard.push("END");
    return Promise.resolve();
  }

  close(): void {
    this.heard.push("CLOSED");
  }
}

Deno.test("joinConnections passes all bytes and both ends", async () => {
  const one = new Side("hello", "!"), other = new Side();
  await joinConnections(one, other);
  assertEquals(other.heard.join("|"), "hel|lo|!|END|CLOSED");
  assertEquals(one.heard.join("|"), "END|CLOSED");
});

Deno.test("joinConnections closes both when one fails", async () => {
  const one = new Side(new Error("reset")), other = new Side("x");
  await assertRejects(() => joinConnections(one, other), Error, "reset");
  assertEquals([one, other].map(({ heard }) => heard.includes("CLOSED")), [true, true]);
});
