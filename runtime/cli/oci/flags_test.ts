import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type FlagTable, parseFlags, wordOf } from "./flags.ts";
import { OciError } from "./oci_error.ts";

const TABLE: FlagTable = {
  "bundle": { kind: "word", short: "b" },
  "detach": { kind: "switch", short: "d" },
  "env": { kind: "words", short: "e" },
};

Deno.test("parseFlags reads long and short names, values inline or next, and stops at the first word", () => {
  const parsed = parseFlags(TABLE, [
    "-b",
    "x",
    "--env=A=1",
    "-e",
    "B",
    "-d",
    "id",
    "--detach",
    "-z",
  ]);
  assertEquals(wordOf(parsed, "bundle"), "x");
  assertEquals(parsed.words.get("env"), ["A=1", "B"]);
  assertEquals([...parsed.switches], ["detach"]);
  assertEquals(parsed.rest, ["id", "--detach", "-z"]);
});

Deno.test("parseFlags ends flags at --, and takes a lone dash for a word", () => {
  assertEquals(parseFlags(TABLE, ["--", "-d"]).rest, ["-d"]);
  assertEquals(parseFlags(TABLE, ["-", "x"]).rest, ["-", "x"]);
});

Deno.test("parseFlags lets the last value count, and a switch be turned off", () => {
  const parsed = parseFlags(TABLE, ["-b", "x", "-b", "y", "-d", "--detach=false"]);
  assertEquals(wordOf(parsed, "bundle"), "y");
  assertEquals(parsed.switches.size, 0);
});

Deno.test("parseFlags refuses by name, as runc does", () => {
  const refused = (args: string[], why: string) =>
    assertThrows(() => parseFlags(TABLE, args), OciError, why);
  refused(["--nope"], "flag provided but not defined: -nope");
  refused(["--bundle"], "flag needs an argument: -bundle");
  refused(["--detach=perhaps"], "invalid boolean value");
  refused(["--constructor"], "not defined");
});

Deno.test("parseFlags never fails otherwise, and loses no word behind the flags", () => {
  fc.assert(fc.property(fc.array(fc.string()), fc.array(fc.string()), (before, after) => {
    try {
      const { rest } = parseFlags(TABLE, [...before, "--", ...after]);
      assertEquals(rest.slice(rest.length - after.length), after);
    } catch (error) {
      if (!(error instanceof OciError)) throw error;
    }
  }));
});
