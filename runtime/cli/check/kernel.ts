import { type Finding, type Lack, lacking, pass } from "./finding.ts";
import type { Host } from "./host.ts";
import { moduleRemedy } from "./kernel_module.ts";

/** A device of the kernel's that something of ours uses. */
interface DeviceCheck extends Omit<Lack, "remedy"> {
  readonly name: string;
  readonly device: string;
  /** The kernel's modules that make it. */
  readonly modules: readonly string[];
}

const DEVICES: readonly DeviceCheck[] = [
  {
    name: "tap devices",
    device: "/dev/net/tun",
    verdict: "fail",
    meaning: "no VM can have a network card",
    modules: ["tun"],
  },
  {
    name: "vsock in the kernel",
    device: "/dev/vhost-vsock",
    verdict: "degraded",
    meaning: "the agent is reached over virtio-serial, or by a helper process for AF_VSOCK",
    modules: ["vhost_vsock"],
  },
  {
    name: "network cards in the kernel",
    device: "/dev/vhost-net",
    verdict: "degraded",
    meaning: "the VMM itself carries network packets, slower and at more CPU time",
    modules: ["vhost_net"],
  },
  {
    name: "loop devices",
    device: "/dev/loop-control",
    verdict: "degraded",
    meaning: "disk images as volumes cannot be prepared on the host",
    modules: ["loop"],
  },
  {
    name: "FUSE",
    device: "/dev/fuse",
    verdict: "degraded",
    meaning: "engines that store images by fuse-overlayfs cannot run",
    modules: ["fuse"],
  },
  {
    name: "device mapper",
    device: "/dev/mapper/control",
    verdict: "degraded",
    meaning: "the snapshotter devmapper is not available",
    modules: ["dm_mod", "dm_thin_pool"],
  },
];

function device(host: Host, { name, device, modules, ...lack }: DeviceCheck): Finding {
  const problem = host.whyNot(device);
  if (problem === undefined) return pass(name, device);
  return lacking(name, problem, { ...lack, remedy: moduleRemedy(host, modules) });
}

function overlay(host: Host): Finding {
  const name = "overlay file system";
  const known = /\boverlay$/m.test(host.text("/proc/filesystems") ?? "");
  return known
    ? pass(name, "/proc/filesystems has it")
    : lacking(name, "/proc/filesystems lacks it", {
      verdict: "degraded",
      meaning:
        "engines have to copy images instead of stacking them (unless the module loads by itself)",
      remedy: moduleRemedy(host, ["overlay"]),
    });
}

/** openat2(2) needs Linux 5.6. */
const LEAST_KERNEL = [5, 6] as const;

function version(host: Host): Finding {
  const name = "kernel";
  const release = host.text("/proc/sys/kernel/osrelease")?.trim() ?? "unknown";
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const recent = major > LEAST_KERNEL[0] || major === LEAST_KERNEL[0] && minor >= LEAST_KERNEL[1];
  return recent ? pass(name, `Linux ${release}`) : lacking(name, `Linux ${release}`, {
    verdict: "fail",
    meaning: "paths of containers cannot be opened safely (openat2)",
    remedy: `use Linux ${LEAST_KERNEL.join(".")} or later`,
  });
}

function namespaces(host: Host): Finding {
  const name = "namespaces";
  const missing = ["mnt", "net", "pid"].filter((kind) => !host.exists(`/proc/self/ns/${kind}`));
  return missing.length === 0
    ? pass(name, "mnt, net, pid")
    : lacking(name, `no ${missing.join(", ")}`, {
      verdict: "fail",
      meaning: "containers cannot be told apart on the host",
      remedy: "use a kernel with namespaces",
    });
}

function cgroups(host: Host): Finding {
  const name = "cgroups";
  const unified = host.text("/sys/fs/cgroup/cgroup.controllers");
  if (unified !== undefined) {
    const has = unified.trim().split(/\s+/);
    const missing = ["cpu", "memory", "pids"].filter((each) => !has.includes(each));
    return missing.length === 0
      ? pass(name, `version 2: ${has.join(" ")}`)
      : lackingControllers(missing);
  }
  const missing = ["cpu", "memory", "pids"].filter((each) =>
    !host.exists(`/sys/fs/cgroup/${each}/cgroup.procs`)
  );
  return missing.length === 0 ? pass(name, "version 1") : lackingControllers(missing);
}

function lackingControllers(missing: readonly string[]): Finding {
  return lacking("cgroups", `no controllers ${missing.join(", ")}`, {
    verdict: "degraded",
    meaning: "what VMs use is not counted and limited on the host; in the guest it is",
    remedy: "mount the controllers at /sys/fs/cgroup",
  });
}

function ioUring(host: Host): Finding {
  const name = "io_uring";
  if (host.ioUring()) return pass(name, "the kernel takes its calls");
  return lacking(name, "the kernel or a filter refuses its calls", {
    verdict: "degraded",
    meaning: "disks are read and written by threads instead (block_device_aio)",
    remedy: "sysctl kernel.io_uring_disabled=0; in a container, allow it in the seccomp profile",
  });
}

/** What the kernel offers. */
export function checkKernel(host: Host): Finding[] {
  return [
    version(host),
    namespaces(host),
    cgroups(host),
    overlay(host),
    ioUring(host),
    ...DEVICES.map((each) => device(host, each)),
  ];
}
