import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { setLogLevel, setLogSink } from "../../common/base/log.ts";
import { LoggedConsole } from "./console_log.ts";
import { cleanText, TextTail } from "./text_tail.ts";

Deno.test("TextTail keeps the last lines and no more than its bound", () => {
  const tail = new TextTail(20);
  for (let i = 0; i < 1000; i++) tail.push(new TextEncoder().encode(`line ${i}\r\n`));
  assertEquals(tail.lines(2), "line 998 | line 999");
});

Deno.test("cleanText leaves no control character but tab and newline", () => {
  assertEquals(cleanText("a\x1b[31mb\x1b[0m\x07c\r\nd"), "abc\nd");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    // deno-lint-ignore no-control-regex -- what must not be there
    assert(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(cleanText(text)));
  }));
});

Deno.test("LoggedConsole logs whole lines, and endless ones in parts", () => {
  const lines: string[] = [];
  setLogSink((line) => lines.push(line));
  setLogLevel("debug");
  try {
    const console = new LoggedConsole("s1");
    for (const text of ["one\r\ntw", "o\n", "x".repeat(1500)]) {
      console.push(new TextEncoder().encode(text));
    }
    assertEquals(lines.map((line) => /line=(.*)$/.exec(line)?.[1]), [
      "one",
      "two",
      "x".repeat(1500),
    ]);
    assertEquals(console.lines(1), "x".repeat(1500));
  } finally {
    setLogLevel("info");
    setLogSink(() => {});
  }
});
