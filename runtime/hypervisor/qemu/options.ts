import type { Transport } from "../capabilities.ts";
import type { MachineType } from "./machine.ts";
import type { NumaOptions } from "./numa.ts";

/** How guest instructions run: by the processor (kvm), translated (tcg), or what a short trial shows (auto). */
export type Accelerator = "kvm" | "tcg";

/** How disks are carried and served; `block_device_*` and their neighbours. */
export interface DiskOptions {
  readonly driver: "virtio-scsi" | "virtio-blk";
  readonly aio: "io_uring" | "native" | "threads";
  /** Absent: QEMU's own, which is write-back through the host's page cache with flushes. */
  readonly cache?: { readonly direct: boolean; readonly noFlush: boolean };
  /** 0: the disk's. */
  readonly logicalSectorBytes: number;
  /** 0: the disk's. */
  readonly physicalSectorBytes: number;
  readonly queues: number;
  readonly queueSize: number;
  /** Serve disks in a thread of their own. */
  readonly iothread: boolean;
}

/** Settings of the QEMU driver, from `[hypervisor.qemu]`. Key names in messages are those of config.toml. */
export interface QemuOptions {
  /** `path`: the QEMU program. */
  readonly path: string;
  /** `machine_type`. */
  readonly machineType: MachineType;
  /** `accelerator`. */
  readonly accelerator: Accelerator | "auto";
  /** `transport`. */
  readonly transport: Transport | "auto";
  /** `vhost_device_vsock`: the program that serves hybrid vsock; empty: look in the usual places. */
  readonly vhostDeviceVsock: string;
  /** `cpu_features`: appended to the CPU model, as `-erms,+avx2`; may be empty. */
  readonly cpuFeatures: string;
  /** `enable_debug`: show the guest kernel's messages on its console. */
  readonly debug: boolean;
  /** `seccomp_sandbox`: QEMU's own system call filter; empty: none. */
  readonly seccompSandbox: string;
  /** `machine_accelerators`: appended to -machine; may be empty. */
  readonly machineAccelerators: string;
  /** `entropy_source`: what feeds the guest's random numbers; empty: the guest gets no such device. */
  readonly entropySource: string;
  /** `reclaim_guest_freed_memory`: give pages that the guest frees back to the host. */
  readonly freePageReporting: boolean;
  /** Library that keeps clones from changing their template (private_ram.c); empty: look beside the program. */
  readonly privateRam: string;
  /** `enable_mem_prealloc`: take all memory from the host at once. */
  readonly memPrealloc: boolean;
  readonly disk: DiskOptions;
  /** `enable_virtio_mem`: resize memory in small blocks, by a device of that name, instead of by modules. */
  readonly virtioMem: boolean;
  /** `firmware`: a file; empty: QEMU's own for the machine. */
  readonly firmware: string;
  /** `pcie_root_port`: slots for cards that come later; fewer than the machine has by itself do not count. */
  readonly rootPorts: number;
  /** `enable_hugepages`: memory from the host's pool of huge pages. */
  readonly hugePages: boolean;
  /** `enable_numa` and `numa_mapping`; absent: the guest has one node. */
  readonly numa?: NumaOptions;
  /** `rootless`: run as a user that has nothing, once all files are open. */
  readonly rootless: boolean;
  /** Where the result of the accelerator trial is kept; emptied by a reboot. */
  readonly cacheDir: string;
}

export const DEFAULT_QEMU_OPTIONS: QemuOptions = {
  path: "/usr/bin/qemu-system-x86_64",
  machineType: "q35",
  accelerator: "auto",
  transport: "auto",
  vhostDeviceVsock: "",
  cpuFeatures: "",
  debug: false,
  seccompSandbox: "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  machineAccelerators: "",
  entropySource: "/dev/urandom",
  freePageReporting: true,
  privateRam: "",
  memPrealloc: false,
  disk: {
    ...{ driver: "virtio-scsi", aio: "threads", logicalSectorBytes: 0, physicalSectorBytes: 0 },
    ...{ queues: 1, queueSize: 128, iothread: false },
  },
  virtioMem: false,
  firmware: "",
  rootPorts: 0,
  hugePages: false,
  rootless: false,
  cacheDir: "/run/kata-containers",
};

/** Oldest QEMU that the driver speaks to. */
export const MIN_QEMU_VERSION = { major: 5, minor: 2 } as const;
