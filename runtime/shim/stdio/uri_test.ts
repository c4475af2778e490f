import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../../common/base/errors.ts";
import { parseStreamUri } from "./uri.ts";

Deno.test("parseStreamUri knows every form that engines send", () => {
  assertEquals(parseStreamUri(""), { kind: "null" });
  assertEquals(parseStreamUri("/run/f"), { kind: "fifo", path: "/run/f" });
  assertEquals(parseStreamUri("fifo:///run/f"), {
    kind: "fifo",
    path: "/run/f",
  });
  assertEquals(parseStreamUri("file:///var/log/a%20b"), {
    kind: "file",
    path: "/var/log/a b",
  });
  assertEquals(parseStreamUri("binary:///usr/bin/logger?_NERDCTL&id=7"), {
    kind: "binary",
    path: "/usr/bin/logger",
    args: ["_NERDCTL", "id", "7"],
  });
});

Deno.test("parseStreamUri refuses relative paths and unknown schemes", () => {
  assertThrows(() => parseStreamUri("run/f"), RuntimeError, "as a stream");
  assertThrows(
    () => parseStreamUri("http://host/f"),
    RuntimeError,
    "unknown scheme",
  );
  assertThrows(() => parseStreamUri("binary:relative"), RuntimeError);
});

Deno.test("parseStreamUri either parses or refuses, whatever the text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseStreamUri(text);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }));
});
