import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../../common/base/errors.ts";
import { formatCpuList, parseCpuList } from "./cpu_list.ts";

Deno.test("parseCpuList reads the kernel's lists", () => {
  assertEquals(parseCpuList("0-2,7\n"), [0, 1, 2, 7]);
  assertEquals(parseCpuList(""), []);
  for (const bad of ["x", "3-1", "1-", "-1", "1,,2", "0-99999", "99999", "0:1"]) {
    assertThrows(() => parseCpuList(bad), RuntimeError, "is no list of processors");
  }
});

Deno.test("formatCpuList writes what parseCpuList reads", () => {
  assertEquals(formatCpuList([7, 2, 1, 0, 2]), "0-2,7");
  fc.assert(fc.property(fc.uniqueArray(fc.nat(300)), (cpus) => {
    assertEquals(parseCpuList(formatCpuList(cpus)), cpus.toSorted((a, b) => a - b));
  }));
});
