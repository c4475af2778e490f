import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LineDecoder, parseQmp, QmpSyntaxError } from "./qmp_message.ts";

Deno.test("parseQmp reads greeting, return, error and event", () => {
  assertEquals(
    parseQmp(
      '{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7}},"capabilities":["oob"]}}',
    ),
    {
      kind: "greeting",
      version: { major: 7, minor: 2 },
    },
  );
  assertEquals(parseQmp('{"return":{"a":1},"id":3}'), { kind: "return", id: 3, value: { a: 1 } });
  assertEquals(parseQmp('{"id":4,"error":{"class":"GenericError","desc":"no\\u001b[31m such"}}'), {
    kind: "error",
    id: 4,
    errorClass: "GenericError",
    text: "no such",
  });
  assertEquals(parseQmp('{"event":"STOP","timestamp":{}}'), {
    kind: "event",
    event: { name: "STOP", data: {} },
  });
});

Deno.test("parseQmp answers any text with a message or a QmpSyntaxError", () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom("{}", "[]", "null", '{"QMP":1}', '{"return":1}'),
  );
  fc.assert(fc.property(text, (line) => {
    try {
      parseQmp(line);
    } catch (error) {
      if (!(error instanceof QmpSyntaxError)) throw error;
    }
  }));
});

Deno.test("LineDecoder yields the same lines however their bytes are cut", () => {
  const line = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) =>
    text.trim() === text && !/[\n\r]/.test(text)
  );
  fc.assert(fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
    const bytes = new TextEncoder().encode(lines.map((text) => text + "\r\n").join(""));
    const decoder = new LineDecoder();
    const found: string[] = [];
    let start = 0;
    for (const cut of [...cuts, bytes.length]) {
      found.push(...decoder.push(bytes.subarray(start, start + cut)));
      start += cut;
    }
    assertEquals(found, lines);
  }));
});

Deno.test("LineDecoder refuses an endless line", () => {
  const decoder = new LineDecoder(100);
  decoder.push(new Uint8Array(100));
  assertThrows(() => decoder.push(new Uint8Array(1)), QmpSyntaxError, "more than 100 bytes");
});
