import { bool, choice, int, refused, text, texts } from "./key.ts";

const SPDK = "vhost-user stores (SPDK) are not offered";
const LIMITED = ["clh", "firecracker"] as const;

/** Shared files and disks. */
export const HYPERVISOR_STORAGE = {
  shared_fs: choice(
    "auto",
    ["auto", "virtio-9p", "virtio-fs", "none"],
    "How the guest sees the pod's files: 9p served by QEMU, virtio-fs served by virtiofsd, block devices and copied " +
      "files alone, or (ours) the best that the VMM allows: 9p with QEMU, virtio-fs where that is `rootless`.",
    { vmmDefaults: { clh: "virtio-fs", firecracker: "none", remote: "none" } },
  ),
  msize_9p: int(
    524288,
    "Longest 9p message; 8192 in the original, which halves the speed of large files.",
    {
      unit: "bytes",
      min: 4096,
      max: 16 * 1024 * 1024,
      only: ["qemu", "firecracker"],
    },
  ),
  cache_9p: choice(
    "mmap",
    ["none", "mmap", "loose"],
    "What the guest may keep of shared files by 9p: nothing, pages that are mapped shared, or everything, which " +
      "shows stale files where the host changes them and is slow at writing.",
    { only: ["qemu"], ours: true },
  ),
  security_model_9p: choice(
    "passthrough",
    ["passthrough", "mapped-xattr", "mapped-file", "none"],
    "How owners and modes that the guest sets are stored: as they are, which needs a VMM that runs as root; beside " +
      "the files; or not at all where the VMM may not.",
    { only: ["qemu"], ours: true },
  ),
  virtio_fs_daemon: text(
    "",
    "virtiofsd. Empty: the one on PATH, in /usr/libexec or in /usr/lib/qemu.",
    {
      path: "program",
    },
  ),
  valid_virtio_fs_daemon_paths: texts(
    [],
    "Globs of paths that the annotation `virtio_fs_daemon` may name. Empty: none.",
  ),
  virtio_fs_cache: choice(
    "auto",
    ["never", "metadata", "auto", "always"],
    "What the guest may keep of shared files: nothing, names and attributes, both until they may have changed, all.",
    { spellings: { none: "never" } },
  ),
  virtio_fs_cache_size: refused([0], "DAX windows exist in no released QEMU"),
  virtio_fs_queue_size: int(1024, "Requests that fit in virtio-fs's queue; a power of two.", {
    min: 1,
    max: 1024,
    powerOfTwo: true,
  }),
  virtio_fs_extra_args: texts(
    [],
    "Arguments added to virtiofsd's. Those that widen what it exports are refused.",
  ),
  disable_block_device_use: bool(
    false,
    "Never attach block devices; share their mounted files instead.",
  ),
  block_device_driver: choice(
    "virtio-scsi",
    ["virtio-scsi", "virtio-blk", "virtio-mmio"],
    "Device that carries disks.",
    {
      spellings: { "virtio-blk-pci": "virtio-blk", "virtio-blk-mmio": "virtio-mmio" },
      vmmDefaults: { clh: "virtio-blk", firecracker: "virtio-mmio" },
    },
  ),
  block_device_aio: choice(
    "io_uring",
    ["io_uring", "native", "threads"],
    "How QEMU reads and writes disks.",
    {
      only: ["qemu"],
    },
  ),
  block_device_cache_set: bool(false, "Use the two cache settings below instead of the VMM's own."),
  block_device_cache_direct: bool(false, "Bypass the host's page cache for disks."),
  block_device_cache_noflush: bool(
    false,
    "Ignore the guest's flushes: fast, and unsafe when the host fails.",
  ),
  block_device_logical_sector_size: int(
    0,
    "Logical sector size shown to the guest; a power of two. 0: the disk's.",
    {
      unit: "bytes",
      max: 65536,
      powerOfTwo: true,
      only: ["qemu"],
    },
  ),
  block_device_physical_sector_size: int(
    0,
    "Physical sector size shown to the guest; a power of two. 0: the disk's.",
    { unit: "bytes", max: 65536, powerOfTwo: true, only: ["qemu"] },
  ),
  queue_size: int(128, "Requests that fit in a disk's queue; a power of two.", {
    min: 1,
    max: 32768,
    powerOfTwo: true,
  }),
  num_queues: int(1, "Queues of a disk.", { min: 1, max: 1024 }),
  enable_iothreads: bool(false, "Serve disks in a thread of their own.", { only: ["qemu"] }),
  indep_iothreads: int(0, "How many such threads stand ready for disks attached later.", {
    max: 64,
    only: ["qemu"],
  }),
  disk_rate_limiter_bw_max_rate: int(0, "Most that disks transfer. 0: no limit.", {
    unit: "bits/s",
    max: Number.MAX_SAFE_INTEGER,
    only: LIMITED,
  }),
  disk_rate_limiter_bw_one_time_burst: int(
    0,
    "What may be transferred at once beyond that limit.",
    {
      unit: "bits",
      max: Number.MAX_SAFE_INTEGER,
      only: LIMITED,
    },
  ),
  disk_rate_limiter_ops_max_rate: int(0, "Most requests to disks. 0: no limit.", {
    unit: "1/s",
    max: Number.MAX_SAFE_INTEGER,
    only: LIMITED,
  }),
  disk_rate_limiter_ops_one_time_burst: int(0, "Requests made at once beyond that limit.", {
    max: Number.MAX_SAFE_INTEGER,
    only: LIMITED,
  }),
  enable_vhost_user_store: refused([false], SPDK),
  vhost_user_store_path: refused(["", "/var/run/kata-containers/vhost-user"], SPDK),
  valid_vhost_user_store_paths: refused([[], ["/var/run/kata-containers/vhost-user"]], SPDK),
  vhost_user_reconnect_timeout_sec: refused([0], SPDK),
} as const;
