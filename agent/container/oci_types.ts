/**
 * The part of the OCI runtime specification that the agent reads or writes.
 * Keys are the specification's own (config.md, config-linux.md), so a value can be stored as config.json as it is.
 */

/** A whole number of up to 64 bits: a bigint only where a number would lose digits. */
export type Int = number | bigint;

export interface OciUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
  umask?: number;
}

export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  inheritable: string[];
  permitted: string[];
  ambient: string[];
}

export interface OciRlimit {
  type: string;
  hard: Int;
  soft: Int;
}

export interface OciProcess {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: OciUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: OciCapabilities;
  rlimits?: OciRlimit[];
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
  oomScoreAdj: number;
  selinuxLabel?: string;
}

export interface OciMount {
  destination: string;
  source?: string;
  type?: string;
  options?: string[];
}

export interface OciHook {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: Int;
}

export const HOOK_KINDS = [
  "prestart",
  "poststart",
  "poststop",
  "createRuntime",
  "createContainer",
  "startContainer",
] as const;
export type HookKind = typeof HOOK_KINDS[number];
export type OciHooks = { [kind in HookKind]?: OciHook[] };

export interface OciIdMapping {
  hostID: number;
  containerID: number;
  size: number;
}

export interface OciNamespace {
  type: string;
  path?: string;
}

export interface OciDevice {
  path: string;
  type: string;
  major?: Int;
  minor?: Int;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface OciDeviceRule {
  allow: boolean;
  type?: string;
  /** Absent: every major number. */
  major?: Int;
  /** Absent: every minor number. */
  minor?: Int;
  access?: string;
}

export interface OciMemory {
  limit?: Int;
  reservation?: Int;
  swap?: Int;
  kernel?: Int;
  kernelTCP?: Int;
  swappiness?: Int;
  disableOOMKiller?: boolean;
}

export interface OciCpu {
  shares?: Int;
  quota?: Int;
  period?: Int;
  realtimeRuntime?: Int;
  realtimePeriod?: Int;
  cpus?: string;
  mems?: string;
}

export interface OciWeightDevice {
  major: Int;
  minor: Int;
  weight?: number;
  leafWeight?: number;
}

export interface OciThrottleDevice {
  major: Int;
  minor: Int;
  rate: Int;
}

export interface OciBlockIo {
  weight?: number;
  leafWeight?: number;
  weightDevice?: OciWeightDevice[];
  throttleReadBpsDevice?: OciThrottleDevice[];
  throttleWriteBpsDevice?: OciThrottleDevice[];
  throttleReadIOPSDevice?: OciThrottleDevice[];
  throttleWriteIOPSDevice?: OciThrottleDevice[];
}

export interface OciNetwork {
  classID?: number;
  priorities?: { name: string; priority: number }[];
}

export interface OciResources {
  devices?: OciDeviceRule[];
  memory?: OciMemory;
  cpu?: OciCpu;
  pids?: { limit: Int };
  blockIO?: OciBlockIo;
  hugepageLimits?: { pageSize: string; limit: Int }[];
  network?: OciNetwork;
}

export interface OciSeccompArg {
  index: Int;
  value: Int;
  valueTwo?: Int;
  op: string;
}

export interface OciSyscall {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: OciSeccompArg[];
}

export interface OciSeccomp {
  defaultAction: string;
  architectures?: string[];
  flags?: string[];
  syscalls?: OciSyscall[];
}

export interface OciLinux {
  uidMappings?: OciIdMapping[];
  gidMappings?: OciIdMapping[];
  sysctl?: Record<string, string>;
  resources?: OciResources;
  cgroupsPath?: string;
  namespaces: OciNamespace[];
  devices?: OciDevice[];
  seccomp?: OciSeccomp;
  rootfsPropagation?: string;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  mountLabel?: string;
  intelRdt?: { l3CacheSchema: string };
}

export interface OciSpec {
  ociVersion: string;
  process?: OciProcess;
  root?: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  hooks?: OciHooks;
  annotations?: Record<string, string>;
  linux: OciLinux;
}

const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/** JSON text of `value`, with bigints as plain JSON numbers of any size (RLIM_INFINITY does not fit a double). */
export function stringifyOci(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, member: unknown) => typeof member === "bigint" ? rawJson(String(member)) : member,
  );
}
