import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { close, O, open } from "../../../common/linux/fd.ts";
import { SyscallError } from "../../../common/linux/syscall_error.ts";
import { RunningVmProcess, settlesWithin } from "../vm_process.ts";
import { keptFact } from "./kept_fact.ts";
import type { Accelerator, QemuOptions } from "./options.ts";
import { PROBE_PORT, PROBE_SUCCESS, probeRom } from "./probe_rom.ts";

const KVM = "/dev/kvm";
/** The probe takes 50 ms where KVM works, QEMU's own start included. */
const PROBE_MS = 1000;
/** A probe that had this much processor time and did not end, will not. */
const ENOUGH_CPU_MS = 400;
/** One that had less, on a busy host, gets this much longer. */
const PROBE_MORE_MS = 8000;
/** Length of a clock tick in /proc/pid/stat (USER_HZ is 100 on every Linux that Deno runs on). */
const TICK_MS = 10;

type ProbeOptions = Pick<QemuOptions, "path" | "accelerator" | "cacheDir">;

/**
 * Decides how guest instructions run: as configured, or for `auto` by KVM where a trial shows that it really runs
 * code (opening /dev/kvm and creating a VM also work where a guest then hangs). The trial's result is kept until the
 * host reboots or QEMU changes.
 * @throws {RuntimeError} FailedPrecondition: `kvm` is forced and there is none; names the key.
 */
export async function chooseAccelerator(
  options: ProbeOptions,
  stateDir: string,
  signal: AbortSignal,
): Promise<Accelerator> {
  if (options.accelerator === "tcg") return "tcg";
  const problem = whyNoKvm();
  if (options.accelerator === "kvm") {
    if (problem === undefined) return "kvm";
    throw new RuntimeError(Code.FailedPrecondition, `accelerator = "kvm": ${problem}`);
  }
  if (problem !== undefined) return "tcg";
  // The probe is a program for this processor; elsewhere a device that opens has to do.
  return Deno.build.arch === "x86_64" ? await cachedProbe(options, stateDir, signal) : "kvm";
}

function whyNoKvm(): string | undefined {
  try {
    close(open(KVM, O.RDWR));
    return undefined;
  } catch (error) {
    if (error instanceof SyscallError) return messageOf(error);
    throw error;
  }
}

async function cachedProbe(
  { path, cacheDir }: ProbeOptions,
  stateDir: string,
  signal: AbortSignal,
): Promise<Accelerator> {
  const probe = async () => await probeKvm(path, stateDir, signal) ? "kvm" : "tcg";
  const found = await keptFact("accelerator", { path, cacheDir }, isAccelerator, probe);
  return found === "kvm" ? "kvm" : "tcg";
}

function isAccelerator(text: string): text is Accelerator {
  return text === "kvm" || text === "tcg";
}

/**
 * Whether code runs under KVM at a processor's speed: boots {@linkcode probeRom}.
 * @param stateDir Folder of the VM on whose behalf this is tried, so that its clean-up finds the trial too.
 */
export async function probeKvm(
  qemu: string,
  stateDir: string,
  signal: AbortSignal,
): Promise<boolean> {
  const rom = `${stateDir}/kvm-probe.rom`;
  try {
    await Deno.writeFile(rom, probeRom());
    const argv = probeArguments(qemu, rom, "kvm");
    return await runsProbe(RunningVmProcess.spawn({ role: "kvm-probe", argv, stateDir }), signal);
  } finally {
    await Deno.remove(rom);
  }
}

/** QEMU with nothing but a processor, a little memory and the ROM. */
export function probeArguments(qemu: string, rom: string, accelerator: Accelerator): string[] {
  return [
    ...[qemu, "-machine", "q35,sata=off,usb=off,smbus=off,hpet=off", "-accel", accelerator],
    ...[
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-no-reboot",
      "-m",
      "16",
      "-bios",
      rom,
    ],
    ...["-device", `isa-debug-exit,iobase=0x${PROBE_PORT.toString(16)},iosize=1`],
  ];
}

async function runsProbe(qemu: RunningVmProcess, signal: AbortSignal): Promise<boolean> {
  const abort = () => void qemu.kill();
  signal.addEventListener("abort", abort);
  try {
    const ended = await settlesWithin(qemu.exited, PROBE_MS) ||
      cpuMs(qemu.pid) < ENOUGH_CPU_MS && await settlesWithin(qemu.exited, PROBE_MORE_MS);
    signal.throwIfAborted();
    return ended && (await qemu.exited).code === PROBE_SUCCESS;
  } finally {
    signal.removeEventListener("abort", abort);
    await qemu.kill();
  }
}

/** Processor time of a child, 0 once it was reaped. Source: proc(5), fields 14 and 15 of /proc/pid/stat. */
function cpuMs(pid: number): number {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * TICK_MS;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
