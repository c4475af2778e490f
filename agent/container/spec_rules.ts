/**
 * Turns a specification that was written for the host into one that crun can apply in the guest.
 * Each rule removes or replaces something that would fail or mislead here; the reasons stand beside them.
 */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { OciNamespace, OciResources, OciSpec } from "./oci_types.ts";
import { cgroupPath } from "./paths.ts";

/** Namespaces of the pod: a path where one exists already, absent where this container creates it. */
export interface PodNamespaces {
  readonly ipc?: string | undefined;
  readonly uts?: string | undefined;
  /** Only where the pod shares its process namespace and it exists. */
  readonly pid?: string | undefined;
}

export interface SpecContext {
  readonly containerId: string;
  readonly hostname: string;
  readonly namespaces: PodNamespaces;
}

export interface GuestSpec {
  readonly spec: OciSpec;
  /** Settings of the guest's only network namespace, to be written to /proc/sys. */
  readonly guestSysctls: Record<string, string>;
}

/** @throws {RuntimeError} InvalidArgument: no process or no root. */
export function guestSpec(spec: OciSpec, context: SpecContext): GuestSpec {
  const { process, root, linux } = spec;
  if (!process?.args.length) throw invalid(context, "no process to run");
  if (!root?.path) throw invalid(context, "no root file system");
  const { guest, container } = splitSysctls(linux.sysctl ?? {});
  const kept: OciSpec = {
    ...spec,
    ociVersion: knownVersion(spec.ociVersion),
    annotations: plainAnnotations(spec.annotations ?? {}),
    linux: {
      ...linux,
      sysctl: container,
      namespaces: namespacesFor(linux.namespaces, context.namespaces),
      cgroupsPath: cgroupPath(context.containerId),
      resources: withDeviceRules(unifiedResources(linux.resources ?? {})),
    },
  };
  dropHostLabels(kept);
  setHostname(kept, context);
  return { spec: kept, guestSysctls: guest };
}

/**
 * crun 1.8 refuses versions but 1.0 and 1.1; containerd 2.2 and later write others, and runc takes any. Within one
 * major number they only add, and what they add the protocol from the host has no field for. Source: runtime-spec,
 * "Releases"; crun's messages.
 */
export function knownVersion(version: string): string {
  return /^1\.[01]\.\d/.test(version) ? version : "1.1.0";
}

function invalid(context: SpecContext, what: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `The specification of container "${context.containerId}" has ${what}`,
  );
}

/** The guest has neither AppArmor profiles nor an SELinux policy, nor cache allocation: crun would fail on them. */
function dropHostLabels(spec: OciSpec): void {
  if (spec.process) {
    spec.process = { ...spec.process };
    delete spec.process.apparmorProfile;
    delete spec.process.selinuxLabel;
  }
  delete spec.linux.mountLabel;
  delete spec.linux.intelRdt;
}

/** A host name set by a later container would rename the whole pod. */
function setHostname(spec: OciSpec, context: SpecContext): void {
  const name = context.hostname || spec.hostname;
  if (context.namespaces.uts === undefined && name) spec.hostname = name;
  else delete spec.hostname;
}

/**
 * Mount and cgroup namespaces of its own; IPC, UTS and perhaps PID of the pod. The guest's network namespace is the
 * pod's, so there is none to create; a time namespace crun 1.8 refuses. Host paths mean nothing here.
 */
export function namespacesFor(
  wanted: readonly OciNamespace[],
  pod: PodNamespaces,
): OciNamespace[] {
  const joinOrCreate = (type: "ipc" | "uts" | "pid"): OciNamespace => {
    const path = pod[type];
    return path === undefined ? { type } : { type, path };
  };
  const own = wanted.some(({ type }) => type === "user") ? [{ type: "user" }] : [];
  return [
    ...own,
    { type: "mount" },
    { type: "cgroup" },
    joinOrCreate("ipc"),
    joinOrCreate("uts"),
    joinOrCreate("pid"),
  ];
}

/** `net.*` belongs to a namespace that the container does not create, so crun would refuse it. */
export function splitSysctls(
  all: Record<string, string>,
): { guest: Record<string, string>; container: Record<string, string> } {
  const entries = Object.entries(all);
  const isNet = ([key]: [string, string]): boolean => /^net[./]/.test(key);
  return {
    guest: Object.fromEntries(entries.filter(isNet)),
    container: Object.fromEntries(entries.filter((entry) => !isNet(entry))),
  };
}

/** Annotations of these two families steer crun itself; the host's user must not. */
function plainAnnotations(all: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).filter(([key]) => !/^(run\.oci\.|org\.criu\.)/.test(key)),
  );
}

/**
 * Without rules a container could make itself a node of any disk of the guest, such as the one the guest runs from
 * (CVE-2020-2023). crun adds what every container may use: null, zero, full, random, urandom, tty, pts and their like.
 */
function withDeviceRules(resources: OciResources): OciResources {
  const given = (resources.devices ?? []).filter(({ allow }) => allow);
  return { ...resources, devices: [{ allow: false, access: "rwm" }, ...given] };
}

/** What cgroup v2 has no file for, crun refuses; leave it out. */
export function unifiedResources(resources: OciResources): OciResources {
  const kept = { ...resources };
  delete kept.network;
  if (kept.memory) {
    kept.memory = { ...kept.memory };
    delete kept.memory.kernel;
    delete kept.memory.kernelTCP;
    delete kept.memory.swappiness;
    delete kept.memory.disableOOMKiller;
  }
  if (kept.cpu) {
    kept.cpu = { ...kept.cpu };
    delete kept.cpu.realtimeRuntime;
    delete kept.cpu.realtimePeriod;
  }
  return kept;
}
