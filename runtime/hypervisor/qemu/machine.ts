import type { Accelerator } from "./options.ts";

/** What distinguishes QEMU's machine types, as data: a new type is a new row. */
export interface MachineProfile {
  /** Value of `-machine`, without accelerator and memory backend. */
  readonly machine: string;
  /** Suffix of virtio devices: `virtio-rng-pci` or `virtio-rng-device`. */
  readonly virtioBus: "pci" | "device";
  /** PCIe slots made ready for devices plugged in later; each costs guest boot time. */
  readonly rootPorts: number;
  /** Kernel parameters without which the machine does not boot, or boots slower. */
  readonly kernelParams: readonly string[];
}

/**
 * q35 without what a container's VM never uses. The interval timer stays: under emulation the kernel calibrates its
 * clocks by it, and with neither it nor the HPET it panics in `x86_late_time_init`.
 */
export const MACHINES = {
  q35: {
    machine: "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,graphics=off,dump-guest-core=off",
    virtioBus: "pci",
    rootPorts: 2,
    kernelParams: ["console=ttyS0", "8250.nr_uarts=1", "reboot=t"],
  },
} as const satisfies Record<string, MachineProfile>;

export type MachineType = keyof typeof MACHINES;

/** Whether there is a profile of that name. */
export function isMachineType(name: string): name is MachineType {
  return Object.hasOwn(MACHINES, name);
}

/**
 * CPU model. `max` is all that TCG offers, without the long string moves, which it emulates slowly (a boot takes
 * 4.1 s instead of 5.1 s).
 */
export function cpuModel(accelerator: Accelerator, features: string): string {
  const model = accelerator === "kvm" ? "host" : "max,-erms,-fsrm";
  return features === "" ? model : `${model},${features}`;
}

/** Value of `-accel`. A translation buffer of 64 MiB suffices; 16 would cost 40 % of the speed. */
export function accelArgument(accelerator: Accelerator): string {
  return accelerator === "kvm" ? "kvm" : "tcg,tb-size=64";
}
