import { assert, assertEquals } from "@std/assert";
import { cpuModel, machineArgument, MACHINES, panicDevice } from "./machine.ts";

const NEW = { major: 9, minor: 0 }, OLD = { major: 5, minor: 2 };

Deno.test("machineArgument leaves out what a release does not know", () => {
  const use = { clockKnown: true, more: "" };
  const parts = (release: typeof NEW) =>
    machineArgument(MACHINES.nemu, { ...use, release }).split(",");
  assert(parts(NEW).includes("i8042=off") && parts(NEW).includes("pic=off"));
  assert(!parts(OLD).some((part) => /^(i8042|pic)=/.test(part)), parts(OLD).join());
});

Deno.test("machineArgument takes no timer from a guest that needs it to measure its clock", () => {
  const argument = (clockKnown: boolean) =>
    machineArgument(MACHINES.nemu, { release: NEW, clockKnown, more: "" });
  assert(argument(true).includes(",pit=off"));
  assert(!argument(false).includes("pit="));
});

Deno.test("machineArgument gives machine_accelerators the last word", () => {
  const argument = machineArgument(MACHINES.q35, {
    release: NEW,
    clockKnown: true,
    more: "usb=on",
  });
  assertEquals(argument.split(",").at(-1), "usb=on");
});

Deno.test("no machine for x86 has a device of arm64, nor the other way", () => {
  for (const { arch, machine, kernelParams, cpu } of Object.values(MACHINES)) {
    const console = kernelParams.find((word) => word.startsWith("console="));
    assertEquals(console, arch === "x86_64" ? "console=ttyS0" : "console=ttyAMA0");
    assertEquals(/gic-version/.test(machine), arch === "aarch64");
    assertEquals(/erms/.test(cpu.tcg), arch === "x86_64");
  }
  assertEquals(cpuModel(MACHINES.virt, "tcg", "sve=off"), "max,sve=off");
});

Deno.test("panicDevice is the one that the release has", () => {
  assertEquals(panicDevice(MACHINES.microvm, NEW), "pvpanic-pci");
  assertEquals(panicDevice(MACHINES.q35, OLD), "pvpanic");
  assertEquals(panicDevice(MACHINES.virt, OLD), undefined);
});
