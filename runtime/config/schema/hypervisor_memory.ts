import { bool, int, refused, texts } from "./key.ts";

/** Memory of the VM. */
export const HYPERVISOR_MEMORY = {
  default_memory: int(
    2048,
    "Memory of a VM without a memory limit; the host gives pages when they are touched.",
    {
      unit: "MiB",
      min: 256,
      max: 2 ** 24,
    },
  ),
  default_maxmemory: int(0, "Most memory a VM can be given. 0: as much as the host has.", {
    unit: "MiB",
    max: 2 ** 24,
  }),
  memory_slots: int(10, "How many times memory can be added to a running VM.", { max: 256 }),
  overhead_memory: refused(
    [32],
    "the VM's own share is default_memory, on top of which the pod's limits come",
  ),
  enable_virtio_mem: bool(false, "Resize memory by virtio-mem instead of by memory slots.", {
    only: ["qemu"],
  }),
  enable_mem_prealloc: bool(false, "Take all of the VM's memory from the host at its start."),
  enable_hugepages: bool(
    false,
    "Back the VM's memory with the host's huge pages, of which enough must be free. Rules out templates.",
  ),
  reclaim_guest_freed_memory: bool(
    true,
    "Give pages that the guest frees back to the host (free page reporting).",
  ),
  enable_numa: bool(false, "Show the guest the host's NUMA nodes.", { only: ["qemu"] }),
  numa_mapping: texts(
    [],
    "Host nodes behind each guest node, one text a node: `0-1`. Empty: one to one.",
    {
      only: ["qemu"],
    },
  ),
  memory_offset: refused([0], "no NVDIMM devices are placed above the VM's memory"),
  enable_guest_swap: refused([false], "swap inside the guest is not offered"),
  guest_swap_path: refused(["/run/kata-containers/swap"], "swap inside the guest is not offered"),
  guest_swap_size_percent: refused([100], "swap inside the guest is not offered"),
  guest_swap_create_threshold_secs: refused([60], "swap inside the guest is not offered"),
  guest_memory_dump_path: refused(
    [""],
    "guest memory holds the pod's secrets and is never written to disk",
  ),
  guest_memory_dump_paging: refused(
    [false],
    "guest memory holds the pod's secrets and is never written to disk",
  ),
} as const;
