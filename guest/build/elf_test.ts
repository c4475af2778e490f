import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Elf, ElfError, isElf } from "./elf.ts";
import { makeElf } from "./testing/make_elf.ts";

Deno.test("Elf.needed lists the libraries a program asks for", () => {
  const elf = new Elf(makeElf({ needed: ["libc.so.6", "libx.so.1"], interpreter: "/lib64/ld.so" }));
  assertEquals(elf.needed(), ["libc.so.6", "libx.so.1"]);
  assertEquals(elf.interpreter(), "/lib64/ld.so");
});

Deno.test("Elf.needed is empty for a static program", () => {
  const elf = new Elf(makeElf({}));
  assertEquals([elf.needed(), elf.interpreter()], [[], undefined]);
});

Deno.test("Elf.needed agrees with what the loader maps for this very program", () => {
  const needed = new Elf(Deno.readFileSync(Deno.execPath())).needed();
  assertEquals(needed.includes("libc.so.6"), true);
});

Deno.test("Elf.note finds the note of an owner and type", () => {
  const elf = new Elf(
    makeElf({ note: { owner: "Xen", type: 18, data: new Uint8Array([1, 2, 3, 4]) } }),
  );
  assertEquals(elf.note("Xen", 18), new Uint8Array([1, 2, 3, 4]));
  assertEquals(elf.note("Xen", 17), undefined);
});

Deno.test("Elf answers or throws ElfError, whatever the bytes", () => {
  const whole = makeElf({
    needed: ["libc.so.6"],
    interpreter: "/l",
    modinfo: ["a=b"],
    note: { owner: "X", type: 1, data: new Uint8Array(4) },
  });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.nat(whole.length),
      (changes, cut) => {
        const bytes = whole.slice(0, whole.length - (cut % 64 === 0 ? cut : 0));
        for (const [at, value] of changes) {
          if (at < bytes.length) bytes[at] = value;
        }
        try {
          const elf = new Elf(bytes);
          elf.needed();
          elf.interpreter();
          elf.sections();
          elf.note("X", 1);
        } catch (error) {
          if (!(error instanceof ElfError)) throw error;
        }
      },
    ),
  );
});

Deno.test("Elf refuses what is no ELF file", () => {
  assertEquals(isElf(new TextEncoder().encode("#!/bin/sh\n")), false);
  assertThrows(() => new Elf(new Uint8Array(100)), ElfError, "not a 64-bit");
});
