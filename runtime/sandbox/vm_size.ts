import type { HypervisorConfig } from "../config/config.ts";
import type { VmResources } from "../hypervisor/hypervisor.ts";
import { type BundleConfig, isObject, type Json, type JsonObject } from "./bundle.ts";

const MIB = 1024 * 1024;
/** Of a quota without a period, in microseconds. Source: cgroup-v2.rst, "cpu.max". */
const DEFAULT_PERIOD = 100_000;

/** Where containerd and CRI-O tell what all containers of the pod may use together. Source: containerd pkg/cri/annotations. */
const POD_CPU_QUOTA = "io.kubernetes.cri.sandbox-cpu-quota";
const POD_CPU_PERIOD = "io.kubernetes.cri.sandbox-cpu-period";
const POD_MEMORY = "io.kubernetes.cri.sandbox-memory";

/** What containers may use, by their limits; 0 where there is none. */
export interface Workload {
  readonly vcpus: number;
  readonly memoryMiB: number;
}

/** A VM's size; the maxima are what later updates may reach. */
export interface VmSize {
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
}

/** What the host has. */
export interface HostSize {
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** A limit: negative ones and what is no number mean none. */
function limit(value: Json | undefined): number {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number > 0 ? number : 0;
}

/** The limits that say what a container may use, as the runtime specification has them; 0 where there is none. */
export interface Limits {
  /** Microseconds of CPU time in each period. */
  readonly quota: number;
  readonly period: number;
  /** In bytes. */
  readonly memory: number;
}

export const NO_LIMITS: Limits = { quota: 0, period: 0, memory: 0 };

/** What limits allow. */
export function workloadOf({ quota, period, memory }: Limits): Workload {
  return {
    vcpus: quota > 0 && period > 0 ? quota / period : 0,
    memoryMiB: memory < Number.MAX_SAFE_INTEGER ? Math.ceil(memory / MIB) : 0, // "unlimited" is 2^63 less a page
  };
}

/** Reads `linux.resources`; what it does not name stays as it was. */
export function limitsOf(resources: JsonObject, before = NO_LIMITS): Limits {
  const cpu = objectAt(resources, "cpu"), memory = objectAt(resources, "memory");
  const read = (value: Json | undefined, old: number): number =>
    value === undefined || value === null ? old : limit(value);
  return {
    quota: read(cpu.quota, before.quota),
    period: read(cpu.period, before.period || DEFAULT_PERIOD),
    memory: read(memory.limit, before.memory),
  };
}

function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = parent[key];
  return isObject(value) ? value : {};
}

/**
 * What the pod's containers may use: Kubernetes tells the sum in the pod's annotations; a container of its own has its
 * limits in its configuration. Source: Kata's CalculateSandboxSizing and CalculateContainerSizing.
 */
export function workloadOfPod(bundle: BundleConfig): Workload {
  const { annotations } = bundle;
  const pod = workloadOf({
    quota: limit(annotations[POD_CPU_QUOTA]),
    period: limit(annotations[POD_CPU_PERIOD]),
    memory: limit(annotations[POD_MEMORY]),
  });
  if (pod.vcpus > 0 || pod.memoryMiB > 0) return pod;
  return workloadOf(limitsOf(resourcesOf(bundle)));
}

/** A bundle's `linux.resources`. */
export function resourcesOf({ json }: BundleConfig): JsonObject {
  return objectAt(objectAt(json, "linux"), "resources");
}

/**
 * The VM for a workload: `default_vcpus` and `default_memory` are the guest's own share, the workload comes on top.
 * A maximum of 0 in the configuration is the host's. What is known at the start is there from the start: plugging it
 * in later would cost the container's start more than it saves.
 */
export function vmSize(
  { defaultVcpus, defaultMaxvcpus, defaultMemory, defaultMaxmemory }: Pick<
    HypervisorConfig,
    "defaultVcpus" | "defaultMaxvcpus" | "defaultMemory" | "defaultMaxmemory"
  >,
  work: Workload,
  host: HostSize,
): VmSize {
  const maxVcpus = Math.max(1, Math.min(defaultMaxvcpus || host.cpus, host.cpus));
  const vcpus = Math.min(maxVcpus, Math.max(1, Math.ceil(defaultVcpus + work.vcpus)));
  const wantedMemory = defaultMemory + work.memoryMiB;
  const maxMemoryMiB = Math.max(defaultMemory, defaultMaxmemory || host.memoryMiB);
  return { vcpus, maxVcpus, memoryMiB: Math.min(wantedMemory, maxMemoryMiB), maxMemoryMiB };
}

/** The VM of a pod that asks for nothing beyond the configuration. */
export function baseSize(config: Parameters<typeof vmSize>[0]): VmResources {
  const { vcpus, memoryMiB } = vmSize(config, { vcpus: 0, memoryMiB: 0 }, hostSize());
  return { vcpus, memoryMiB };
}

/** This host. */
export function hostSize(): HostSize {
  return {
    cpus: navigator.hardwareConcurrency,
    memoryMiB: Math.floor(Deno.systemMemoryInfo().total / MIB),
  };
}
