import { assertEquals } from "@std/assert";
import { nearest } from "./suggest.ts";

Deno.test("nearest finds a mistyped name and leaves others alone", () => {
  const known = ["kernel", "initrd", "kernel_params", "path"];
  assertEquals(nearest("kernl", known), "kernel");
  assertEquals(nearest("kernel_parms", known), "kernel_params");
  assertEquals(nearest("colour", known), undefined);
  assertEquals(nearest("x".repeat(1000), known), undefined);
});
