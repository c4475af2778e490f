import { type Spec, SpecSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import { type BundleConfig, isObject, type Json, type JsonObject } from "./bundle.ts";
import { blockDevicesOf } from "./container_storage.ts";
import { guestHooks } from "./hooks.ts";
import { messageFromOci } from "./spec_message.ts";

/** What the guest has of its own for a container. */
export interface GuestParts {
  /** Path of the root file system. */
  readonly rootfs: string;
  /** The guest applies seccomp profiles. */
  readonly seccomp: boolean;
  /** The container's mounts, as the guest makes them. */
  readonly mounts: readonly JsonObject[];
}

/** Namespaces that a container has of its own inside the guest; the VM stands for the others. */
const GUEST_NAMESPACES: ReadonlySet<string> = new Set([
  "mount",
  "ipc",
  "uts",
  "pid",
  "user",
]);

/** Resources that the host's numbers say nothing about inside the guest. */
const HOST_RESOURCES = ["network", "blockIO", "rdma"];

/** Annotations that would steer the guest's container runtime. Source: crun(1), "Extensions to OCI". */
const STEERING = /^(run\.oci\.|org\.criu\.)/;

function listOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The limits that mean something inside the guest: numbers of the host's CPUs and devices do not. */
export function guestResources(given: JsonObject): JsonObject {
  const resources = { ...given };
  for (const key of HOST_RESOURCES) delete resources[key];
  resources.devices = guestDeviceRules(given.devices);
  if (isObject(resources.cpu)) {
    const { cpus: _cpus, mems: _mems, ...cpu } = resources.cpu;
    resources.cpu = cpu;
  }
  return resources;
}

/**
 * Character devices have the same numbers everywhere, so rules about them hold in the guest. Disks do not: those that
 * the container is given get rules of their own there, and no rule for all of them goes in.
 */
function guestDeviceRules(value: Json | undefined): JsonObject[] {
  return listOf(value).flatMap((rule) => {
    if (rule.allow !== true || rule.type === "b") return [];
    return [{ ...rule, type: "c" }];
  });
}

/** Disks stay when the guest has them; those of a privileged container are the host's business. */
function guestDevices(json: JsonObject, devices: Json | undefined): JsonObject[] {
  const given = new Set(blockDevicesOf(json).map(({ containerPath }) => containerPath));
  return listOf(devices).filter(({ type, path }) => type !== "b" || given.has(String(path)));
}

function guestLinux(json: JsonObject): JsonObject {
  const linux = isObject(json.linux) ? json.linux : {};
  const resources = guestResources(isObject(linux.resources) ? linux.resources : {});
  const namespaces = listOf(linux.namespaces)
    .filter(({ type }) => typeof type === "string" && GUEST_NAMESPACES.has(type))
    .map(({ type }) => ({ type: type as string }));
  const { intelRdt: _intelRdt, timeOffsets: _timeOffsets, ...rest } = linux;
  return { ...rest, resources, namespaces, devices: guestDevices(json, linux.devices) };
}

function withoutSteering(
  annotations: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !STEERING.test(key)),
  );
}

/**
 * The container's configuration as the guest's agent is to apply it: most hooks stay on the host, its
 * namespaces and cgroups mean nothing in the guest, and what it binds from the host comes by the share.
 * Source: Kata's constrainGRPCSpec, as contract.
 */
export function guestSpec(config: BundleConfig, parts: GuestParts): Spec {
  const { hooks: all, ...json } = config.json;
  const hooks = guestHooks(all);
  const linux = guestLinux(json);
  if (!parts.seccomp) delete linux.seccomp;
  return messageFromOci(SpecSchema, {
    ...json,
    ...(hooks && { hooks }),
    linux,
    mounts: [...parts.mounts],
    root: { path: parts.rootfs, readonly: config.rootReadonly },
    annotations: withoutSteering(config.annotations),
  });
}
