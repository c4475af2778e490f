import type { SectionName } from "./schema/key.ts";

/** What all annotations that change the configuration begin with. */
export const PREFIX = "io.katacontainers.config.";

/** What an annotation does. */
export type Target = {
  readonly section: SectionName;
  readonly key: string;
  /** Only when `enable_annotations` matches this. */
  readonly enabledAs?: string;
  /** Key with the globs that the value, a path, must match. */
  readonly guard?: string;
} | { readonly refused: string };

/** Annotations of the hypervisor's keys under the key's own name. Source: Kata Containers 4.1, annotations. */
const HYPERVISOR_KEYS = new Set([
  ...["block_device_cache_direct", "block_device_cache_noflush", "block_device_cache_set"],
  ...["block_device_driver", "cpu_features", "default_memory", "default_vcpus"],
  ...["disable_block_device_use", "disable_image_nvdimm", "disable_vhost_net", "enable_hugepages"],
  ...["enable_iommu_platform", "enable_iommu", "enable_iothreads", "enable_mem_prealloc"],
  ...["enable_vhost_user_store", "vhost_user_reconnect_timeout_sec", "enable_virtio_mem"],
  ...["entropy_source", "firmware", "firmware_volume", "guest_hook_path", "cold_plug_vfio"],
  ...["hot_plug_vfio", "image", "initrd", "jailer_path", "kernel_params", "kernel"],
  ...["machine_accelerators", "machine_type", "memory_offset", "memory_slots", "msize_9p", "path"],
  ...["shared_fs", "vhost_user_store_path", "virtio_fs_cache_size", "virtio_fs_cache"],
  ...["virtio_fs_daemon", "virtio_fs_extra_args", "enable_guest_swap", "use_legacy_serial"],
  ...["accelerator", "transport", "vhost_device_vsock"], // ours
]);

const RENAMED: Readonly<Record<string, string>> = {
  default_max_vcpus: "default_maxvcpus",
  blk_logical_sector_size: "block_device_logical_sector_size",
  blk_physical_sector_size: "block_device_physical_sector_size",
  block_device_num_queues: "num_queues",
  block_device_queue_size: "queue_size",
};

const GUARDS: Readonly<Record<string, string>> = {
  path: "valid_hypervisor_paths",
  jailer_path: "valid_jailer_paths",
  virtio_fs_daemon: "valid_virtio_fs_daemon_paths",
  entropy_source: "valid_entropy_sources",
  vhost_device_vsock: "valid_vhost_device_vsock_paths",
};

const HASH = "files are not hashed when a pod starts; only the administrator names them";

const REFUSED: Readonly<Record<string, string>> = {
  "hypervisor.asset_hash_type": HASH,
  "hypervisor.firmware_hash": HASH,
  "hypervisor.firmware_volume_hash": HASH,
  "hypervisor.hypervisor_hash": HASH,
  "hypervisor.image_hash": HASH,
  "hypervisor.initrd_hash": HASH,
  "hypervisor.jailer_hash": HASH,
  "hypervisor.kernel_hash": HASH,
  "hypervisor.use_vsock": "use io.katacontainers.config.hypervisor.transport",
  "hypervisor.default_gpus": "devices of the host are not passed through",
  "hypervisor.default_gpu_model": "devices of the host are not passed through",
  "runtime.experimental": "there are no experimental features to choose from",
  "runtime.experimental_force_guest_pull": "images are not pulled inside the guest",
};

/** Those of the other sections. What reaches beyond the VM must be enabled, as the hypervisor's must. */
const OTHERS: Readonly<Record<string, Target>> = {
  "runtime.disable_guest_seccomp": { section: "runtime", key: "disable_guest_seccomp" },
  "runtime.disable_new_netns": host("disable_new_netns"),
  "runtime.internetworking_model": host("internetworking_model"),
  "runtime.sandbox_cgroup_only": host("sandbox_cgroup_only"),
  "runtime.enable_pprof": host("enable_pprof"),
  "runtime.create_container_timeout": { section: "runtime", key: "create_container_timeout" },
  "agent.enable_tracing": { section: "agent", key: "enable_tracing" },
  "agent.container_pipe_size": { section: "agent", key: "container_pipe_size" },
  "agent.kernel_modules": { section: "agent", key: "kernel_modules" },
  "agent.cdh_api_timeout": { section: "agent", key: "cdh_api_timeout" },
  "agent.cdh_api_timeout_ms": { section: "agent", key: "cdh_api_timeout_ms" },
  "factory.enable_template": { section: "factory", key: "enable_template" }, // ours: a pod may opt out
};

function host(key: string): Target {
  return { section: "runtime", key, enabledAs: `runtime.${key}` };
}

/** What the annotation `io.katacontainers.config.<name>` does; nothing for an unknown one. */
export function targetOf(name: string): Target | undefined {
  if (Object.hasOwn(REFUSED, name)) return { refused: REFUSED[name] ?? "" };
  if (Object.hasOwn(OTHERS, name)) return OTHERS[name];
  const [section, short = ""] = name.split(/\.(.*)/s);
  if (section !== "hypervisor") return undefined;
  const key = Object.hasOwn(RENAMED, short) ? RENAMED[short] ?? short : short;
  if (key === short && !HYPERVISOR_KEYS.has(key)) return undefined;
  const guard = Object.hasOwn(GUARDS, key) ? GUARDS[key] : undefined;
  return { section, key, enabledAs: short, ...(guard === undefined ? {} : { guard }) };
}

/** Every name that {@linkcode targetOf} knows. */
export function annotationNames(): string[] {
  const hypervisor = [...HYPERVISOR_KEYS, ...Object.keys(RENAMED)].map((key) =>
    `hypervisor.${key}`
  );
  return [...hypervisor, ...Object.keys(OTHERS), ...Object.keys(REFUSED)];
}
