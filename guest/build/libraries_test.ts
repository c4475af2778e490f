import { assertEquals, assertThrows } from "@std/assert";
import type { Entry } from "./cpio.ts";
import { libraryClosure } from "./libraries.ts";
import { makeElf } from "./testing/make_elf.ts";

const LIBRARIES: Record<string, Uint8Array> = {
  "liba.so": makeElf({ needed: ["libb.so", "libc.so"] }),
  "libb.so": makeElf({ needed: ["libc.so"] }),
  "libc.so": makeElf({ needed: ["liba.so"] }), // a circle must end
  "ld-linux-x86-64.so.2": makeElf({}),
  "unused.so": makeElf({}),
};
const program = (needed: string[]): Entry => ({
  kind: "file",
  path: "bin/p",
  mode: 0o755,
  data: makeElf({ needed, interpreter: "/lib64/ld-linux-x86-64.so.2" }),
});

Deno.test("libraryClosure brings what is needed, directly or not, and the loader", () => {
  const paths = libraryClosure([program(["liba.so"])], (name) => LIBRARIES[name]).map(({ path }) =>
    path
  ).sort();
  const folder = "lib/x86_64-linux-gnu";
  assertEquals(paths, [
    `${folder}/liba.so`,
    `${folder}/libb.so`,
    `${folder}/libc.so`,
    "lib64/ld-linux-x86-64.so.2",
  ]);
});

Deno.test("libraryClosure names the library that is missing and who needs it", () => {
  const find = (): undefined => undefined;
  assertThrows(() => libraryClosure([program(["liba.so"])], find), Error, '"bin/p" needs "');
});

Deno.test("libraryClosure leaves scripts alone", () => {
  const script: Entry = {
    kind: "file",
    path: "x",
    mode: 0o755,
    data: new TextEncoder().encode("#!/bin/sh\n"),
  };
  assertEquals(libraryClosure([script], () => undefined), []);
});
