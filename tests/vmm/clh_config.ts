/** What Cloud Hypervisor's description of a VM means for the machine that stands in for it. */
import type { GuestDisk, GuestFs, GuestMachine, GuestNet } from "./machine.ts";

export interface Config {
  readonly cpus: { readonly boot_vcpus: number; readonly max_vcpus: number };
  readonly memory: {
    readonly size: number;
    readonly hotplug_size?: number;
    readonly shared?: boolean;
  };
  readonly payload: {
    readonly kernel: string;
    readonly cmdline: string;
    readonly initramfs?: string;
  };
  readonly disks?: readonly DiskConfig[];
  readonly net?: readonly GuestNet[];
  readonly fs?: readonly FsConfig[];
  readonly serial: { readonly mode: string; readonly file: string };
  readonly vsock: { readonly socket: string; readonly id?: string };
}

interface DiskConfig {
  readonly id: string;
  readonly path: string;
  readonly readonly?: boolean;
}

export interface FsConfig {
  readonly id: string;
  readonly tag: string;
  readonly socket: string;
  readonly queue_size: number;
}

export const MIB = 1024 * 1024;

export function diskOf({ id, path, readonly = false }: DiskConfig): GuestDisk {
  return { id, path, readonly };
}

export function fsOf({ id, tag, socket, queue_size: queueSize }: FsConfig): GuestFs {
  return { id, tag, socket, queueSize };
}

/** What every device is called. */
export function idsOf({ disks = [], net = [], fs = [] }: Config): string[] {
  return [...disks, ...net, ...fs].map(({ id }) => id);
}

export function machineOf({ cpus, memory, payload, ...rest }: Config): GuestMachine {
  return {
    kernel: payload.kernel,
    initrd: payload.initramfs,
    commandLine: payload.cmdline,
    vcpus: cpus.boot_vcpus,
    maxVcpus: cpus.max_vcpus,
    memoryMiB: memory.size / MIB,
    hotMemoryMiB: (memory.hotplug_size ?? 0) / MIB,
    disks: (rest.disks ?? []).map(diskOf),
    nets: rest.net ?? [],
    shares: (rest.fs ?? []).map(fsOf),
    vsockPath: rest.vsock.socket,
    consoleFd: Number(rest.serial.file.replace("/proc/self/fd/", "")),
  };
}
