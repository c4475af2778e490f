import { bool, choice, int, refused, text, texts } from "./key.ts";

const VFIO = "devices of the host are not passed through";
const SELINUX = "SELinux labels are left to the engine";

/** Transport to the agent, network, buses and what is left. */
export const HYPERVISOR_DEVICE = {
  transport: choice(
    "auto",
    ["auto", "vsock", "serial", "hybrid-vsock"],
    "How the agent is reached: the host kernel's vhost-vsock, a virtio-serial port, a vsock served by a program behind " +
      "a Unix socket, or (auto) the first of these, in this order, that host and VMM offer.",
    { ours: true },
  ),
  vhost_device_vsock: text(
    "",
    "vhost-device-vsock, which serves hybrid vsock to QEMU. Empty: the one beside the program or on PATH.",
    { path: "program", ours: true, only: ["qemu"] },
  ),
  valid_vhost_device_vsock_paths: texts(
    [],
    "Globs of paths that the annotation `vhost_device_vsock` may name. Empty: none.",
    { ours: true, only: ["qemu"] },
  ),
  entropy_source: text("/dev/urandom", "Where the VM's random numbers come from.", {
    path: "file",
  }),
  valid_entropy_sources: texts(
    ["/dev/urandom", "/dev/random"],
    "Globs of paths that the annotation `entropy_source` may name.",
  ),
  guest_hook_path: text(
    "",
    "Folder in the guest with OCI hooks: prestart, poststart and poststop. Empty: none.",
    { path: "absolute" },
  ),
  disable_vhost_net: bool(
    false,
    "Handle network packets in the VMM instead of in the host's kernel.",
    {
      only: ["qemu"],
    },
  ),
  network_queues: int(1, "Queues of a network interface.", { min: 1, max: 256 }),
  rx_rate_limiter_max_rate: int(0, "Most that the guest receives. 0: no limit.", {
    unit: "bits/s",
    max: Number.MAX_SAFE_INTEGER,
  }),
  tx_rate_limiter_max_rate: int(0, "Most that the guest sends. 0: no limit.", {
    unit: "bits/s",
    max: Number.MAX_SAFE_INTEGER,
  }),
  net_rate_limiter_bw_max_rate: int(
    0,
    "Most that an interface of Cloud Hypervisor transfers. 0: no limit.",
    {
      unit: "bits/s",
      max: Number.MAX_SAFE_INTEGER,
      only: ["clh"],
    },
  ),
  net_rate_limiter_bw_one_time_burst: int(0, "What may be transferred at once beyond that limit.", {
    unit: "bits",
    max: Number.MAX_SAFE_INTEGER,
    only: ["clh"],
  }),
  net_rate_limiter_ops_max_rate: int(0, "Most packets of such an interface. 0: no limit.", {
    unit: "1/s",
    max: Number.MAX_SAFE_INTEGER,
    only: ["clh"],
  }),
  net_rate_limiter_ops_one_time_burst: int(0, "Packets sent at once beyond that limit.", {
    max: Number.MAX_SAFE_INTEGER,
    only: ["clh"],
  }),
  default_bridges: refused(
    [1, 0],
    "devices are plugged into PCIe ports, of which enough are there",
  ),
  pcie_root_port: int(
    0,
    "PCIe root ports for devices added later. 0: as many as the product needs.",
    {
      max: 16,
      only: ["qemu"],
    },
  ),
  pcie_switch_port: refused([0], VFIO),
  hot_plug_vfio: refused(["no-port"], VFIO),
  cold_plug_vfio: refused(["no-port"], VFIO),
  enable_iommu: refused([false], VFIO),
  enable_iommu_platform: refused([false], VFIO),
  disable_selinux: refused([false, true], SELINUX),
  disable_guest_selinux: refused([true], "the guest's kernel has no SELinux"),
  disable_nesting_checks: refused(
    [false, true],
    "nested virtualisation is neither looked for nor refused",
  ),
  disable_nested_virtualization: refused([false], 'use cpu_features = "vmx=off" with QEMU'),
  use_legacy_serial: refused(
    [false],
    "the console is the one that the machine type boots fastest with",
  ),
  extra_monitor_socket: refused(
    [""],
    "a second monitor would let others change a VM behind its owner's back",
  ),
  valid_ctlpaths: refused([[]], "VMs of others are not joined"),
  tdx_quote_generation_service_socket_port: refused(
    [4050, 0],
    "confidential computing is not offered",
  ),
} as const;
