import { unreachable } from "../../../common/base/errors.ts";
import type { QemuVersion } from "./qmp_message.ts";
import { has, type QemuFeature } from "./release.ts";
import type { Accelerator } from "./options.ts";

/** An option of `-machine` that only some releases know. */
interface NewerOption {
  readonly option: string;
  readonly since: QemuFeature;
}

/** What distinguishes QEMU's machine types, as data: a new type is a new row. */
export interface MachineProfile {
  /** Of the host that it runs on, as Deno names it. */
  readonly arch: typeof Deno.build.arch;
  /** Value of `-machine`, without accelerator and memory backend. */
  readonly machine: string;
  readonly newer: readonly NewerOption[];
  /** More of it where the guest knows how fast its clock runs, and needs no timer to find out. */
  readonly withKnownClock: string;
  /** There is no such timer: a guest that does not know hangs as often as not. */
  readonly needsKnownClock: boolean;
  /** Values of `-global`. */
  readonly globals: readonly string[];
  /** Suffix of virtio devices: `virtio-rng-pci` or `virtio-rng-device`. */
  readonly virtioBus: "pci" | "device";
  /** Whether there are PCIe slots for what is plugged in later. */
  readonly pcie: boolean;
  /** PCIe slots made ready for devices plugged in later; each costs guest boot time. */
  readonly rootPorts: number;
  /** Whether a running guest can be given processors and memory. */
  readonly resizes: boolean;
  /** CPU models. */
  readonly cpu: Readonly<Record<Accelerator, string>>;
  /** Most processors. */
  readonly maxVcpus: number;
  /** Kernel parameters without which the machine does not boot, or boots slower. */
  readonly kernelParams: readonly string[];
}

/**
 * `max` is all that TCG offers, without the long string moves, which it emulates slowly (a boot takes 4.1 s instead of
 * 5.1 s).
 */
const X86_CPU = { kvm: "host", tcg: "max,-erms,-fsrm" } as const;
const X86_CONSOLE = ["console=ttyS0", "8250.nr_uarts=1", "reboot=t"] as const;
/** q35 without what a container's VM never uses. */
const BARE_Q35 =
  "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,graphics=off,dump-guest-core=off";

/**
 * The interval timer of q35 stays: under emulation the kernel calibrates its clocks by it, and with neither it nor the
 * HPET it panics in `x86_late_time_init`, unless it is told how fast its clock runs.
 */
export const MACHINES = {
  q35: {
    arch: "x86_64",
    machine: BARE_Q35,
    newer: [],
    withKnownClock: "",
    needsKnownClock: false,
    globals: [],
    virtioBus: "pci",
    pcie: true,
    rootPorts: 2,
    resizes: true,
    cpu: X86_CPU,
    maxVcpus: 240,
    kernelParams: X86_CONSOLE,
  },
  /** q35 also without the PC's timer, interrupt controller and keyboard controller. */
  nemu: {
    arch: "x86_64",
    machine: BARE_Q35,
    newer: [
      { option: "i8042=off", since: "machine i8042" },
      { option: "pic=off", since: "machine pic" },
    ],
    withKnownClock: "pit=off",
    needsKnownClock: false,
    globals: [],
    virtioBus: "pci",
    pcie: true,
    rootPorts: 2,
    resizes: true,
    cpu: X86_CPU,
    maxVcpus: 240,
    kernelParams: X86_CONSOLE,
  },
  /**
   * No PC at all: its clock and a serial line are what is left, and PCIe without ports of old, whose slots the kernel
   * watches itself. With virtio-mmio in PCIe's place it boots as fast, but cards could not be plugged in.
   */
  microvm: {
    arch: "x86_64",
    machine:
      "microvm,acpi=on,pcie=on,rtc=on,pit=off,pic=off,usb=off,x-option-roms=off,dump-guest-core=off",
    newer: [],
    withKnownClock: "",
    needsKnownClock: true,
    globals: ["virtio-pci.disable-legacy=on"],
    virtioBus: "pci",
    pcie: true,
    rootPorts: 2,
    resizes: false,
    cpu: X86_CPU,
    maxVcpus: 240,
    kernelParams: [...X86_CONSOLE, "pcie_ports=native"],
  },
  virt: {
    arch: "aarch64",
    machine: "virt,gic-version=max,usb=off,graphics=off,dump-guest-core=off",
    newer: [],
    withKnownClock: "",
    needsKnownClock: false,
    globals: [],
    virtioBus: "pci",
    pcie: true,
    rootPorts: 2,
    resizes: false,
    cpu: { kvm: "host", tcg: "max" },
    maxVcpus: 240,
    kernelParams: ["console=ttyAMA0", "pcie_ports=native"],
  },
} as const satisfies Record<string, MachineProfile>;

export type MachineType = keyof typeof MACHINES;

/** What a machine is made for. */
export interface MachineUse {
  readonly release: QemuVersion;
  /** The guest is told how fast its clock runs, by parameters or by KVM. */
  readonly clockKnown: boolean;
  /** `machine_accelerators`: more options; may be empty. */
  readonly more: string;
}

/** Value of `-machine`, without memory backend. The last word on an option counts. */
export function machineArgument(
  { machine, newer, withKnownClock }: MachineProfile,
  { release, clockKnown, more }: MachineUse,
): string {
  const known = newer.filter(({ since }) => has(release, since)).map(({ option }) => option);
  const parts = [machine, ...known, clockKnown ? withKnownClock : "", more];
  return parts.filter((part) => part !== "").join(",");
}

/** Value of `-cpu`. @param features `cpu_features`, as `-erms,+avx2`; may be empty. */
export function cpuModel(
  { cpu }: MachineProfile,
  accelerator: Accelerator,
  features: string,
): string {
  return features === "" ? cpu[accelerator] : `${cpu[accelerator]},${features}`;
}

/** Value of `-accel`. A translation buffer of 64 MiB suffices; 16 would cost 40 % of the speed. */
export function accelArgument(accelerator: Accelerator): string {
  return accelerator === "kvm" ? "kvm" : "tcg,tb-size=64";
}

/** The device by which a guest's kernel tells that it has panicked; none where this QEMU has none for the machine. */
export function panicDevice(
  { arch, pcie }: MachineProfile,
  release: QemuVersion,
): string | undefined {
  if (pcie && has(release, "pvpanic-pci")) return "pvpanic-pci";
  switch (arch) {
    case "x86_64":
      return "pvpanic"; // on the ISA bus
    case "aarch64":
      return undefined;
    default:
      return unreachable(arch);
  }
}
