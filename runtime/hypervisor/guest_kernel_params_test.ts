import { assertEquals } from "@std/assert";
import {
  GUEST_KERNEL_PARAMS,
  TCG_KERNEL_PARAMS,
  tscFrequencyParams,
} from "./guest_kernel_params.ts";

const KNOWN = "cpu MHz\t\t: 2599.998\nflags\t\t: fpu constant_tsc hypervisor tsc_known_freq\n";

Deno.test("tscFrequencyParams passes on the frequency that the host knows exactly", () => {
  assertEquals(tscFrequencyParams(KNOWN), ["tsc_early_khz=2599998"]);
});

Deno.test("tscFrequencyParams says nothing where cpu MHz may be the clock of the moment", () => {
  assertEquals(tscFrequencyParams(KNOWN.replace("tsc_known_freq", "")), []);
  assertEquals(tscFrequencyParams(""), []);
});

Deno.test("kernel parameters are single words, each once", () => {
  const all = [...GUEST_KERNEL_PARAMS, ...TCG_KERNEL_PARAMS];
  assertEquals(all.filter((param) => !/^[\x21-\x7e]+$/.test(param)), []);
  assertEquals(new Set(all.map((param) => param.split("=")[0])).size, all.length);
});
