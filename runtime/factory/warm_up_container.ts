import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CreateContainerRequestSchema,
  StorageSchema,
} from "../../common/protocol/gen/kata/agent_pb.ts";

/** Its id. */
export const WARM_UP_ID = "kata-warm-up";
/** The guest's own files, seen through an overlay: nothing of the host is needed. */
const ROOT = "/run/kata-agent/warm-up";

type Storage = MessageInitShape<typeof StorageSchema>;

/** The connections of its streams; none: it has none. */
export interface StreamPorts {
  readonly stdinPort?: number;
  readonly stdoutPort?: number;
  readonly stderrPort?: number;
}

const OVERLAY: Storage = {
  driver: "overlayfs",
  source: "overlay",
  fstype: "overlay",
  options: ["lowerdir=/bin", `upperdir=${ROOT}.upper`, `workdir=${ROOT}.work`],
  mountPoint: ROOT,
};

/** What containerd gives a container that asks for nothing. Source: containerd's oci.defaultUnixCaps. */
const CAPABILITIES = [
  ...["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"],
  ...["SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"],
].map((name) => `CAP_${name}`);

const NODEV = ["nosuid", "noexec", "nodev"];

/** As oci.populateDefaultUnixSpec there has them. */
const MOUNTS = [
  { destination: "/proc", source: "proc", type: "proc", options: NODEV },
  {
    destination: "/dev",
    source: "tmpfs",
    type: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    source: "devpts",
    type: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    source: "shm",
    type: "tmpfs",
    options: [...NODEV, "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", source: "mqueue", type: "mqueue", options: NODEV },
  { destination: "/sys", source: "sysfs", type: "sysfs", options: [...NODEV, "ro"] },
  {
    destination: "/run",
    source: "tmpfs",
    type: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
];

const MASKED = [
  ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"],
  ...["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware"],
  "/proc/scsi",
];

const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** A profile that forbids one call that nobody makes: what matters is that there is one. */
const SECCOMP = {
  DefaultAction: "SCMP_ACT_ALLOW",
  Syscalls: [{ Names: ["kexec_load"], Action: "SCMP_ACT_ERRNO" }],
};

/** A container like those that engines ask for, which prints a line. */
export function warmUpContainer(
  shares: readonly Storage[],
  ports: StreamPorts,
  seccomp: boolean,
): MessageInitShape<typeof CreateContainerRequestSchema> {
  const mounted = shares.map((share, at) => ({ ...share, mountPoint: `${ROOT}.share${at}` }));
  const sets = { Bounding: CAPABILITIES, Effective: CAPABILITIES, Permitted: CAPABILITIES };
  return {
    containerId: WARM_UP_ID,
    ...ports,
    storages: [OVERLAY, ...mounted],
    OCI: {
      Version: "1.1.0",
      Root: { Path: ROOT, Readonly: false },
      Hostname: "warm-up",
      Process: {
        Args: ["/busybox", "sh", "-c", "echo warm"],
        Env: ["PATH=/"],
        Cwd: "/",
        User: { UID: 0, GID: 0 },
        NoNewPrivileges: true,
        Capabilities: sets,
        Rlimits: [{ Type: "RLIMIT_NOFILE", Hard: 1024n, Soft: 1024n }],
      },
      Mounts: MOUNTS,
      Linux: {
        CgroupsPath: `/default/${WARM_UP_ID}`,
        Resources: {
          Devices: [{ Allow: false, Access: "rwm" }],
          CPU: { Shares: 1024n },
        },
        Namespaces: ["pid", "ipc", "uts", "mount"].map((Type) => ({ Type, Path: "" })),
        MaskedPaths: MASKED,
        ReadonlyPaths: READONLY,
        ...(seccomp && { Seccomp: SECCOMP }),
      },
    },
  };
}
