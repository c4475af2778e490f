/** The `linux` object of config.json: namespaces, devices, seccomp. Resources are in oci_resources.ts. */
import type * as grpc from "../../common/protocol/gen/kata/oci_pb.ts";
import { defined, int, list, map, optionalInt } from "./oci_convert.ts";
import { resourcesFromGrpc } from "./oci_resources.ts";
import type { OciDevice, OciIdMapping, OciLinux, OciSeccomp, OciSyscall } from "./oci_types.ts";

export function linuxFromGrpc(linux: grpc.Linux | undefined): OciLinux {
  if (!linux) return { namespaces: [] };
  return defined({
    uidMappings: list(linux.UIDMappings.map(idMapping)),
    gidMappings: list(linux.GIDMappings.map(idMapping)),
    sysctl: map(linux.Sysctl),
    resources: linux.Resources && resourcesFromGrpc(linux.Resources),
    cgroupsPath: linux.CgroupsPath || undefined,
    namespaces: linux.Namespaces.map((namespace) =>
      defined({ type: namespace.Type, path: namespace.Path || undefined })
    ),
    devices: list(linux.Devices.map(deviceFromGrpc)),
    seccomp: linux.Seccomp && seccompFromGrpc(linux.Seccomp),
    rootfsPropagation: linux.RootfsPropagation || undefined,
    maskedPaths: list(linux.MaskedPaths),
    readonlyPaths: list(linux.ReadonlyPaths),
    mountLabel: linux.MountLabel || undefined,
    intelRdt: linux.IntelRdt?.L3CacheSchema
      ? { l3CacheSchema: linux.IntelRdt.L3CacheSchema }
      : undefined,
  });
}

function idMapping(mapping: grpc.LinuxIDMapping): OciIdMapping {
  return {
    hostID: mapping.HostID,
    containerID: mapping.ContainerID,
    size: mapping.Size,
  };
}

/** A FIFO has no numbers; for the other kinds zero is a number like any other. */
function deviceFromGrpc(device: grpc.LinuxDevice): OciDevice {
  const fifo = device.Type === "p";
  return defined({
    path: device.Path,
    type: device.Type,
    major: fifo ? undefined : int(device.Major),
    minor: fifo ? undefined : int(device.Minor),
    fileMode: device.FileMode || undefined,
    uid: device.UID || undefined,
    gid: device.GID || undefined,
  });
}

/** A profile without a default action filters nothing: crun would refuse it. */
function seccompFromGrpc(seccomp: grpc.LinuxSeccomp): OciSeccomp | undefined {
  if (!seccomp.DefaultAction) return undefined;
  return defined({
    defaultAction: seccomp.DefaultAction,
    architectures: list(seccomp.Architectures),
    flags: list(seccomp.Flags),
    syscalls: list(seccomp.Syscalls.map(syscallFromGrpc)),
  });
}

function syscallFromGrpc(syscall: grpc.LinuxSyscall): OciSyscall {
  return defined({
    names: [...syscall.Names],
    action: syscall.Action,
    errnoRet: syscall.ErrnoRet.case === "errnoret" ? syscall.ErrnoRet.value : undefined,
    args: list(syscall.Args.map((arg) =>
      defined({
        index: int(arg.Index),
        value: int(arg.Value),
        valueTwo: optionalInt(arg.ValueTwo),
        op: arg.Op,
      })
    )),
  });
}
