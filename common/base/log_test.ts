import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createLogger, formatLine, log, type LogLevel, setLogLevel, setLogSink } from "./log.ts";

const time = new Date("2026-01-02T03:04:05.678Z");

Deno.test("formatLine writes logfmt", () => {
  const fields = {
    id: "abc",
    ms: 62,
    path: "/a b",
    none: undefined,
    error: new Error("bad", { cause: new Error("worse") }),
    list: [1, 2n],
  };
  assertEquals(
    formatLine(time, "info", "VM is up", fields),
    'time=2026-01-02T03:04:05.678Z level=info msg="VM is up" id=abc ms=62 path="/a b" ' +
      'error="bad: worse" list="[1,\\"2\\"]"',
  );
});

Deno.test("formatLine keeps any value on one line, of bounded length", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string(), (text, key) => {
    const line = formatLine(time, "warn", text, { [key]: text });
    // deno-lint-ignore no-control-regex -- they are what must not come through
    assertEquals(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(line), false);
  }));
  assertEquals(formatLine(time, "info", "x".repeat(1_000_000), {}).length < 5000, true);
});

Deno.test("createLogger drops what is below its level", () => {
  const lines: string[] = [];
  const logger = createLogger((line) => lines.push(line), "warn");
  const levels: LogLevel[] = ["debug", "info", "warn", "error"];
  for (const level of levels) logger[level](level);
  assertEquals(lines.map((line) => line.split("msg=")[1]), ["warn", "error"]);
});

Deno.test("log goes to the sink and from the level that were set", () => {
  const lines: string[] = [];
  setLogSink((line) => lines.push(line));
  log.debug("quiet");
  log.info("said");
  setLogLevel("debug");
  log.debug("loud");
  setLogLevel("info");
  assertEquals(lines.map((line) => line.split("msg=")[1]), ["said", "loud"]);
});
