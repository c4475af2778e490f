import { alias, bool, choice, float, int, refused, text, texts } from "./key.ts";

/** What is booted, by which program, under which guard. */
export const HYPERVISOR_BOOT = {
  path: text("", "Program of the VMM. Empty: the first one on PATH of that VMM's usual name.", {
    path: "program",
  }),
  valid_hypervisor_paths: texts(
    [],
    "Globs of paths that the annotation `path` may name. Empty: none.",
  ),
  kernel: text(
    "",
    "Guest kernel; an uncompressed vmlinux boots fastest. Empty: `vmlinux` beside the program.",
    {
      path: "file",
    },
  ),
  initrd: text(
    "",
    "Guest root file system as an initrd. Empty: `initrd.img` beside the program, unless `image` is set.",
    {
      path: "file",
    },
  ),
  image: text("", "Guest root file system as a disk image, instead of `initrd`.", { path: "file" }),
  rootfs_type: choice("ext4", ["ext4", "xfs", "erofs"], "File system inside `image`."),
  vm_rootfs_driver: choice(
    "",
    ["", "virtio-pmem", "virtio-blk-pci", "virtio-blk-mmio"],
    "Device that carries `image`. Empty: as `disable_image_nvdimm` says.",
  ),
  disable_image_nvdimm: bool(
    false,
    "Attach `image` as a virtio-blk disk instead of as persistent memory.",
  ),
  kernel_params: text("", "Words added at the end of the guest kernel's command line."),
  machine_type: choice(
    Deno.build.arch === "aarch64" ? "virt" : "q35",
    ["q35", "microvm", "nemu", "virt"],
    "Machine that QEMU emulates: a PC; one without legacy devices, whose size is fixed at its start; a PC stripped of " +
      "what it emulates beyond PCIe; ARM's.",
    { only: ["qemu"] },
  ),
  machine_accelerators: text("", "Options added to QEMU's -machine, separated by commas.", {
    only: ["qemu"],
  }),
  accelerator: choice(
    "auto",
    ["auto", "kvm", "tcg"],
    "How QEMU runs the guest's CPUs: by the host's virtualisation, by emulation, or the former where it works.",
    { ours: true, only: ["qemu"] },
  ),
  cpu_features: text("", "Flags added to QEMU's -cpu, separated by commas: `pmu=off,vmx=off`.", {
    only: ["qemu"],
  }),
  firmware: text("", "Firmware of the VM. Empty: the VMM's own.", {
    path: "file",
    only: ["qemu", "clh"],
  }),
  firmware_volume: refused([""], "variable stores serve measured boot, which is not offered", [
    "qemu",
  ]),
  pflashes: refused([[]], "flash images serve measured boot, which is not offered", ["qemu"]),
  rootless: bool(
    false,
    "Run the VMM as an unprivileged user of its own, once it has opened its files. Rules out `virtio-9p`.",
  ),
  enable_annotations: texts(
    ["default_vcpus", "default_memory"],
    "Regular expressions, each matching the whole of a name: the annotations " +
      "`io.katacontainers.config.hypervisor.<name>` that pods may set.",
    { regexp: true },
  ),
  seccompsandbox: text(
    "on,obsolete=deny,spawn=deny,resourcecontrol=deny",
    "QEMU's -sandbox option, which filters the system calls of the VMM. Empty: no filter.",
    { only: ["qemu"] },
  ),
  seccomp_sandbox: alias(
    ["hypervisor", "seccompsandbox"],
    "string",
    "The other spelling of `seccompsandbox`.",
    {
      only: ["qemu"],
    },
  ),
  disable_seccomp: bool(false, "Run the VMM without its own system-call filter.", {
    only: ["clh", "firecracker"],
  }),
  jailer_path: text("", "Firecracker's jailer. Empty: Firecracker is started without it.", {
    path: "program",
    only: ["firecracker"],
  }),
  valid_jailer_paths: texts(
    [],
    "Globs of paths that the annotation `jailer_path` may name. Empty: none.",
    {
      only: ["firecracker"],
    },
  ),
  enable_debug: bool(false, "Log the VMM's messages and the guest's console."),
  hypervisor_loglevel: int(1, "Verbosity of Cloud Hypervisor's log with `enable_debug`, 0 to 3.", {
    max: 3,
    only: ["clh"],
  }),
  hypervisor_socket: text(
    "/run/peerpod/hypervisor.sock",
    "Unix socket of the external program that owns the VMs.",
    {
      path: "absolute",
      only: ["remote"],
    },
  ),
  hypervisor_timeout: int(600, "Longest wait for that program's answer.", {
    unit: "seconds",
    min: 1,
    max: 86400,
    only: ["remote"],
  }),
  default_vcpus: float(
    1,
    "CPUs of a VM without a CPU limit. 0: one; negative: as many as the host has.",
    {
      unit: "vCPUs",
      min: -1,
      max: 1024,
    },
  ),
  default_maxvcpus: int(0, "Most CPUs a VM can be given. 0: as many as the host has.", {
    unit: "vCPUs",
    max: 1024,
  }),
  overhead_vcpus: float(0.2, "CPU share added to the pod's limit for the VM's own work.", {
    unit: "vCPUs",
    min: 0,
    max: 64,
  }),
} as const;
