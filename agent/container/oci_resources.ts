/** grpc.LinuxResources to the runtime specification's `linux.resources`. */
import type * as grpc from "../../common/protocol/gen/kata/oci_pb.ts";
import { defined, definedOrNothing, int, list, optionalInt } from "./oci_convert.ts";
import type {
  OciBlockIo,
  OciCpu,
  OciDeviceRule,
  OciMemory,
  OciNetwork,
  OciResources,
  OciThrottleDevice,
  OciWeightDevice,
} from "./oci_types.ts";

/** Limits that the host set; -1 is "no limit" and stays. */
export function resourcesFromGrpc(
  resources: grpc.LinuxResources,
): OciResources {
  return defined({
    devices: list(resources.Devices.map(deviceRule)),
    memory: resources.Memory && memory(resources.Memory),
    cpu: resources.CPU && cpu(resources.CPU),
    pids: resources.Pids && resources.Pids.Limit !== 0n
      ? { limit: int(resources.Pids.Limit) }
      : undefined,
    blockIO: resources.BlockIO && blockIo(resources.BlockIO),
    hugepageLimits: list(resources.HugepageLimits.map((limit) => ({
      pageSize: limit.Pagesize,
      limit: int(limit.Limit),
    }))),
    network: resources.Network && network(resources.Network),
  });
}

/**
 * No device has major number 0, so 0 is "any", and so is -1. A minor number of 0 is real when there is a major.
 * Type "a" or none covers everything.
 */
function deviceRule(rule: grpc.LinuxDeviceCgroup): OciDeviceRule {
  const anyMajor = rule.Major <= 0n;
  const anyMinor = rule.Minor < 0n || (anyMajor && rule.Minor === 0n);
  return defined({
    allow: rule.Allow,
    type: rule.Type || undefined,
    major: anyMajor ? undefined : int(rule.Major),
    minor: anyMinor ? undefined : int(rule.Minor),
    access: rule.Access || undefined,
  });
}

function memory(limits: grpc.LinuxMemory): OciMemory | undefined {
  return definedOrNothing({
    limit: optionalInt(limits.Limit),
    reservation: optionalInt(limits.Reservation),
    swap: optionalInt(limits.Swap),
    kernel: optionalInt(limits.Kernel),
    kernelTCP: optionalInt(limits.KernelTCP),
    swappiness: optionalInt(limits.Swappiness),
    disableOOMKiller: limits.DisableOOMKiller || undefined,
  });
}

function cpu(limits: grpc.LinuxCPU): OciCpu | undefined {
  return definedOrNothing({
    shares: optionalInt(limits.Shares),
    quota: optionalInt(limits.Quota),
    period: optionalInt(limits.Period),
    realtimeRuntime: optionalInt(limits.RealtimeRuntime),
    realtimePeriod: optionalInt(limits.RealtimePeriod),
    cpus: limits.Cpus || undefined,
    mems: limits.Mems || undefined,
  });
}

function blockIo(limits: grpc.LinuxBlockIO): OciBlockIo | undefined {
  return definedOrNothing({
    weight: limits.Weight || undefined,
    leafWeight: limits.LeafWeight || undefined,
    weightDevice: list(limits.WeightDevice.map(weightDevice)),
    throttleReadBpsDevice: list(limits.ThrottleReadBpsDevice.map(throttle)),
    throttleWriteBpsDevice: list(limits.ThrottleWriteBpsDevice.map(throttle)),
    throttleReadIOPSDevice: list(limits.ThrottleReadIOPSDevice.map(throttle)),
    throttleWriteIOPSDevice: list(limits.ThrottleWriteIOPSDevice.map(throttle)),
  });
}

function weightDevice(device: grpc.LinuxWeightDevice): OciWeightDevice {
  return defined({
    major: int(device.Major),
    minor: int(device.Minor),
    weight: device.Weight || undefined,
    leafWeight: device.LeafWeight || undefined,
  });
}

function throttle(device: grpc.LinuxThrottleDevice): OciThrottleDevice {
  return {
    major: int(device.Major),
    minor: int(device.Minor),
    rate: int(device.Rate),
  };
}

function network(limits: grpc.LinuxNetwork): OciNetwork | undefined {
  return definedOrNothing({
    classID: limits.ClassID || undefined,
    priorities: list(limits.Priorities.map((entry) => ({
      name: entry.Name,
      priority: entry.Priority,
    }))),
  });
}
