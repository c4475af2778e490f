import { assert } from "@std/assert";
import { ioUringAvailable } from "./io_uring.ts";

Deno.test("ioUringAvailable agrees with the kernel's switch", () => {
  let off: string;
  try {
    off = Deno.readTextFileSync("/proc/sys/kernel/io_uring_disabled").trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // older kernels have no switch
    throw error;
  }
  // A seccomp filter may forbid what the kernel allows, never the other way round.
  if (off === "2") assert(!ioUringAvailable());
});
