import { bool, choice, int, refused, text, texts } from "./key.ts";

const VFIO = "devices of the host are not passed through";

/** `[runtime]` */
export const RUNTIME = {
  hypervisor_name: choice(
    "",
    ["", "qemu", "clh", "firecracker", "remote"],
    "Which [hypervisor.<name>] table is used. Empty: the only one there is; without any, qemu.",
    { spellings: { "cloud-hypervisor": "clh" } },
  ),
  agent_name: choice("kata", ["kata"], "Which [agent.<name>] table is used."),
  name: refused(["", "virt_container"], "there is one kind of runtime"),
  enable_debug: bool(false, "Log the runtime's debug messages."),
  create_container_timeout: int(60, "Longest wait until the guest has created a container.", {
    unit: "seconds",
    min: 1,
    max: 86400,
  }),
  internetworking_model: choice(
    "tcfilter",
    ["tcfilter", "macvtap", "none"],
    "How the pod's interfaces reach the VM: traffic redirected to a tap, a macvtap on top, or not at all.",
  ),
  disable_new_netns: bool(
    false,
    "Start the VMM in the host's network namespace; only with internetworking_model none.",
  ),
  disable_guest_seccomp: bool(
    false,
    "Run containers without the seccomp profile of their specification; true in the original.",
  ),
  sandbox_cgroup_only: bool(
    true,
    "Put shim, VMM and helpers into the pod's cgroup of the host; otherwise only the VM's CPUs " +
      "go there (with cgroup v2 the VMM), the rest goes below `/kata_overhead`.",
  ),
  static_sandbox_resource_mgmt: bool(
    false,
    "Size the VM once, from the pod's limits; never resize it.",
  ),
  sandbox_bind_mounts: texts(
    [],
    "Files and folders of the host shown read-only to every guest; `:rw` makes one writable.",
  ),
  disable_guest_empty_dir: bool(true, "Keep emptyDir volumes on the host instead of in the guest."),
  emptydir_mode: choice(
    "auto",
    ["auto", "shared-fs", "block-plain"],
    "What an emptyDir volume is kept in: the shared file system, a disk image of its own in the volume's folder, " +
      "or (ours) the image where the share cannot hold sockets and pipes.",
  ),
  kubelet_root_dir: text("/var/lib/kubelet", "Where the kubelet keeps the pods' volumes.", {
    path: "absolute",
  }),
  enable_tracing: bool(false, "Send traces of the runtime's work to `jaeger_endpoint`."),
  jaeger_endpoint: text("", "URL of the collector of traces."),
  jaeger_user: text("", "User name at the collector."),
  jaeger_password: text("", "Password at the collector; never printed.", { secret: true }),
  enable_vcpus_pinning: refused([false], "the VM's CPUs follow the pod's cpuset"),
  guest_selinux_label: refused(
    ["", "system_u:system_r:container_t"],
    "the guest's kernel has no SELinux",
  ),
  vfio_mode: refused(["guest-kernel"], VFIO),
  pod_resource_api_sock: refused([""], VFIO),
  dan_conf: refused(
    ["/run/kata-containers/dans", ""],
    "interfaces come from the pod's network namespace alone",
  ),
  experimental: refused([[]], "there are no experimental features to choose from"),
  enable_pprof: refused([false], "pprof profiles programs written in Go"),
  keep_abnormal: refused([false], "what a failed sandbox leaves is always removed; its log stays"),
} as const;
