import type { Device } from "../device.ts";
import type { VmSpec } from "../hypervisor.ts";
import { HOT_MEMORY_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import { kernelParams } from "./kernel_params.ts";
import {
  deviceArguments,
  listeningSocket,
  quoted,
  rootPort,
  SCSI_BUS,
} from "./device_arguments.ts";
import { backendArgument, type MemoryBackend } from "./memory_backend.ts";
import { virtioMemArguments, virtioMemMiB } from "./virtio_mem.ts";
import {
  accelArgument,
  cpuModel,
  machineArgument,
  type MachineProfile,
  panicDevice,
} from "./machine.ts";
import { numaArguments, type NumaNode } from "./numa.ts";
import type { QemuVersion } from "./qmp_message.ts";
import { has } from "./release.ts";
import { diskPorts, IOTHREAD } from "./disk.ts";
import { placeNets } from "./net_slots.ts";
import type { VmmUser } from "../vmm_user.ts";
import { parkedCpuKernelParams } from "./parked_cpus.ts";
import type { Accelerator, DiskOptions, QemuOptions } from "./options.ts";

/** What the driver decided and opened, beyond the {@linkcode VmSpec}. */
export interface QemuPlan {
  readonly options: QemuOptions;
  readonly accelerator: Accelerator;
  readonly machine: MachineProfile;
  readonly release: QemuVersion;
  /** The guest's NUMA nodes; none: it has one, and does not hear of it. */
  readonly numa: readonly NumaNode[];
  /** What an emulated guest is told about its clock; see tscFrequencyParams. */
  readonly tscParams: readonly string[];
  /** The device that carries the agent's transport. */
  readonly channel: Device;
  /** Listening Unix sockets, closed by the driver once QEMU has them. */
  readonly monitorFd: number;
  readonly consoleFd: number;
  /** The template's state that a clone starts from. */
  readonly stateFd?: number;
  /** Whom QEMU becomes once it has opened everything; absent: it stays who we are. */
  readonly user?: VmmUser;
}

/** QEMU's arguments, and which of our descriptors (value) it gets under which number (key). */
export interface CommandLine {
  readonly argv: string[];
  readonly fds: Record<number, number>;
  /** QEMU's number of {@linkcode QemuPlan.stateFd}. */
  readonly stateFd: number | undefined;
}

/** First descriptor number given to QEMU, after stdin, stdout and stderr. */
const FIRST_FD = 3;

/** Turns a VM into QEMU's arguments. Pure: the same input gives the same bytes. */
export function commandLine(spec: VmSpec, plan: QemuPlan): CommandLine {
  const fds: Record<number, number> = {};
  let next = FIRST_FD;
  const childFd = (fd: number) => {
    fds[next] = fd;
    return next++;
  };
  const argv = [
    ...[plan.options.path, "-name", `sandbox-${spec.id},debug-threads=on`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...sandboxArguments(plan),
    ...userArguments(plan, childFd),
    ...machineArguments(spec, plan),
    ...[
      "-chardev",
      listeningSocket("monitor", childFd(plan.monitorFd)),
      "-mon",
      "chardev=monitor,mode=control",
    ],
    ...[
      "-chardev",
      listeningSocket("console", childFd(plan.consoleFd)),
      "-serial",
      "chardev:console",
    ],
    ...bootArguments(spec, plan),
    ...slotArguments(plan.machine, plan.options.disk),
    ...placeNets(devicesOf(spec, plan), plan.machine).flatMap((device) =>
      deviceArguments(device, plan.machine, childFd)
    ),
    ...panicArguments(plan),
  ];
  return { argv, fds, stateFd: plan.stateFd === undefined ? undefined : childFd(plan.stateFd) };
}

/** The image comes first, so that it is /dev/vda. */
function devicesOf(spec: VmSpec, { channel, options }: QemuPlan): Device[] {
  const image: Device[] = spec.image === undefined
    ? []
    : [{ kind: "disk", id: "image", path: spec.image, source: "file", readonly: true }];
  const rng: Device[] = options.entropySource === ""
    ? []
    : [{ kind: "rng", source: options.entropySource }];
  const balloon: Device[] = options.freePageReporting ? [{ kind: "balloon" }] : [];
  return [...image, channel, ...rng, ...balloon, ...spec.devices];
}

/** Last, so that it takes no place from others. */
function panicArguments({ machine, release }: QemuPlan): string[] {
  const device = panicDevice(machine, release);
  return device === undefined ? [] : ["-device", device];
}

/** Who is to become another user must be allowed to, once; then it has no privileges left to gain by. */
function sandboxArguments({ options: { seccompSandbox }, user }: QemuPlan): string[] {
  if (seccompSandbox === "") return [];
  const filter = user ? seccompSandbox.replace(DENY_USERS, "$1children") : seccompSandbox;
  return ["-sandbox", filter];
}

const DENY_USERS = /(\belevateprivileges=)deny\b/;

/** The claim is of no use to QEMU, which only keeps it open. */
function userArguments({ user }: QemuPlan, childFd: (fd: number) => number): string[] {
  if (!user) return [];
  childFd(user.claimFd);
  return ["-runas", `${user.uid}:${user.uid}`];
}

function machineArguments(spec: VmSpec, plan: QemuPlan): string[] {
  const { machine, accelerator, options, release, numa } = plan;
  const { memorySlots, maxMemoryMiB } = spec;
  const slots = hasMemoryRoom(spec) ? `,slots=${memorySlots},maxmem=${maxMemoryMiB}M` : "";
  const vcpus = accelerator === "tcg" ? spec.maxVcpus : spec.vcpus;
  const hotVcpus = spec.maxVcpus > vcpus ? `,maxcpus=${spec.maxVcpus}` : "";
  const clockKnown = accelerator === "kvm" || plan.tscParams.length > 0;
  const use = { release, clockKnown, more: options.machineAccelerators };
  const whole = numa.length > 0 ? "" : ",memory-backend=ram";
  const { cpuFeatures } = options;
  return [
    ...["-machine", `${machineArgument(machine, use)}${whole}`],
    ...(options.firmware === "" ? [] : ["-bios", options.firmware]),
    ...machine.globals.flatMap((global) => ["-global", global]),
    ...["-accel", accelArgument(accelerator), "-cpu", cpuModel(machine, accelerator, cpuFeatures)],
    ...["-m", `${spec.memoryMiB}M${slots}`, "-smp", `${vcpus}${hotVcpus}`],
    ...memoryArguments(spec, plan),
    ...virtioMem(spec, plan),
  ];
}

/** Whether memory can be plugged into the running VM. */
export function hasMemoryRoom({ memoryMiB, maxMemoryMiB, memorySlots }: VmSpec): boolean {
  return maxMemoryMiB > memoryMiB && (memorySlots ?? 0) > 0;
}

/** A vhost-user device's process reads and writes guest memory too, so it must be shared. */
const VHOST_USER: readonly Device["kind"][] = ["vhost-user-vsock", "share-virtio-fs"];

function memoryArguments(spec: VmSpec, plan: QemuPlan): string[] {
  const { numa } = plan;
  if (numa.length === 0) return ["-object", memoryBackend(spec, plan)];
  const memdev = (index: number): string => `ram-node${index}`;
  const backends = numa.flatMap(({ memoryMiB, hostNodes }, index) => {
    const whole = memoryKind(spec, plan);
    const backend = backendArgument({ ...whole, id: memdev(index), sizeMiB: memoryMiB });
    const from = hostNodes.map((nodes) => `,host-nodes=${nodes}`).join("");
    return ["-object", `${backend}${from},policy=interleave`];
  });
  return [...backends, ...numaArguments(numa, memdev)];
}

function memoryKind(
  { devices }: VmSpec,
  { channel, options: { hugePages, memPrealloc: prealloc } }: QemuPlan,
): Pick<MemoryBackend, "shared" | "hugePages" | "prealloc"> {
  return { shared: needsSharedMemory(devices, channel), hugePages, prealloc };
}

function memoryBackend(spec: VmSpec, plan: QemuPlan): string {
  const { memoryMiB, template } = spec;
  if (template) {
    const share = template.role === "origin" ? "on" : "off";
    const path = quoted(template.memory);
    return `memory-backend-file,id=ram,size=${memoryMiB}M,mem-path=${path},share=${share}`;
  }
  return backendArgument({ ...memoryKind(spec, plan), id: "ram", sizeMiB: memoryMiB });
}

/** Whether a device of the VM is another process's work. */
export function needsSharedMemory(devices: readonly Device[], channel: Device): boolean {
  return [channel, ...devices].some(({ kind }) => VHOST_USER.includes(kind));
}

function virtioMem(spec: VmSpec, plan: QemuPlan): string[] {
  if (!plan.options.virtioMem || !hasMemoryRoom(spec)) return [];
  const id = "virtio-mem-ram",
    sizeMiB = virtioMemMiB({ bootMiB: spec.memoryMiB, maxMiB: spec.maxMemoryMiB });
  const { shared, hugePages = false } = memoryKind(spec, plan);
  const sparse = has(plan.release, "memory without reserve") ? { reserve: false } : {};
  const backend = backendArgument({ id, sizeMiB, shared, hugePages, ...sparse });
  return ["-object", backend, ...virtioMemArguments(id)];
}

function bootArguments(spec: VmSpec, plan: QemuPlan): string[] {
  if (spec.template?.role === "clone") return ["-incoming", "defer"];
  const { accelerator, machine, options } = plan;
  const params = [
    ...kernelParams({
      ...{ accelerator, debug: options.debug },
      ...{ tscParams: plan.tscParams, arch: machine.arch },
    }),
    ...machine.kernelParams,
    ...(spec.image === undefined ? [] : ["root=/dev/vda", "ro"]),
    ...(hasMemoryRoom(spec) ? HOT_MEMORY_KERNEL_PARAMS : []),
    ...(accelerator === "tcg"
      ? parkedCpuKernelParams({ boot: spec.vcpus, max: spec.maxVcpus })
      : []),
    ...spec.kernelParams,
  ];
  return [
    ...["-kernel", spec.kernel],
    ...(spec.initrd === undefined ? [] : ["-initrd", spec.initrd]),
    ...["-append", params.join(" ")],
  ];
}

/** What lets devices come later: a SCSI controller for disks, PCIe slots for the rest. */
function slotArguments({ virtioBus, rootPorts }: MachineProfile, disk: DiskOptions): string[] {
  const ports = Array.from({ length: rootPorts + diskPorts(disk) }, (_, index) => {
    const { id, slot } = rootPort(index);
    return [
      "-device",
      `pcie-root-port,id=${id},bus=pcie.0,chassis=${index + 1},addr=0x${slot.toString(16)}`,
    ];
  });
  const thread = disk.iothread ? ["-object", `iothread,id=${IOTHREAD}`] : [];
  const served = disk.iothread ? `,iothread=${IOTHREAD}` : "";
  const scsi = `virtio-scsi-${virtioBus},id=${SCSI_BUS},num_queues=${disk.queues}${served}`;
  return [...thread, ...ports.flat(), "-device", scsi];
}
