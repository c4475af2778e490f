import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { namesLine, parseNamesLine, readMessage, writeMessage } from "./names.ts";

/** Gives bytes back in pieces of a size. */
function pieces(
  bytes: Uint8Array,
  size: number,
): { read(into: Uint8Array): Promise<number | null> } {
  let at = 0;
  return {
    read: (into) => {
      if (at === bytes.length) return Promise.resolve(null);
      const part = bytes.subarray(at, at + Math.min(size, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
  };
}

Deno.test("parseNamesLine reads loopback addresses alone", () => {
  assertEquals(parseNamesLine(namesLine("127.0.0.11").trimEnd()), Uint8Array.of(127, 0, 0, 11));
  for (
    const line of [
      "",
      "DNS",
      "DNS 10.0.0.1",
      "DNS ::1",
      "DNS 127.0.0",
      "DNS 127.0.0.256",
      "TCP 4 1",
    ]
  ) {
    assertEquals(parseNamesLine(line), undefined, line);
  }
});

Deno.test("readMessage reads what writeMessage wrote, however it is cut", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 4 }),
    fc.integer({ min: 1, max: 700 }),
    async (messages, size) => {
      const wire: number[] = [];
      const write = (bytes: Uint8Array) => Promise.resolve(wire.push(...bytes) && bytes.length);
      for (const message of messages) await writeMessage({ write }, message);
      const from = pieces(Uint8Array.from(wire), size);
      for (const message of messages) {
        assertEquals([...await readMessage(from) ?? []], [...message]);
      }
      assertEquals(await readMessage(from), undefined);
    },
  ));
});

Deno.test("readMessage sees an end in the middle of a message as the end", async () => {
  assertEquals(await readMessage(pieces(Uint8Array.of(0, 9, 1, 2), 8)), undefined);
});
