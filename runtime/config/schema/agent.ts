import { alias, bool, int, refused, texts } from "./key.ts";

const CDH = "confidential computing is not offered";
const MEM_AGENT = "freed guest memory is returned by reclaim_guest_freed_memory instead";

/** `[agent.kata]` */
export const AGENT = {
  enable_debug: bool(false, "Log the agent's debug messages."),
  enable_tracing: bool(false, "Trace the agent's calls together with the runtime's."),
  kernel_modules: texts(
    [],
    "Kernel modules to load in the guest, each with its parameters: `e1000e EEE=1`.",
  ),
  debug_console_enabled: bool(false, "Let `kata-runtime exec` open a root shell in the guest."),
  dial_timeout: int(45, "Longest wait for the agent of a VM that was started.", {
    unit: "seconds",
    min: 1,
    max: 3600,
  }),
  container_pipe_size: int(
    0,
    "Size of the pipes of a process's standard streams. 0: 1 MiB where they are streamed to the host.",
    {
      unit: "bytes",
      max: 2 ** 30,
    },
  ),
  create_container_timeout: alias(
    ["runtime", "create_container_timeout"],
    "int",
    "The other spelling of `create_container_timeout` in [runtime].",
    { unit: "seconds", min: 1, max: 86400 },
  ),
  dial_timeout_ms: refused(
    [10],
    "one attempt needs no limit of its own: dial_timeout bounds them all",
  ),
  reconnect_timeout_ms: refused(
    [3000],
    "one attempt needs no limit of its own: dial_timeout bounds them all",
  ),
  cdh_api_timeout: refused([50], CDH),
  cdh_api_timeout_ms: refused([50000], CDH),
} as const;

/** `[agent.kata.mem_agent]` */
export const MEM_AGENT_SECTION = {
  mem_agent_enable: refused([false], MEM_AGENT),
  memcg_disable: refused([false], MEM_AGENT),
  memcg_swap: refused([false], MEM_AGENT),
  memcg_swappiness_max: refused([50], MEM_AGENT),
  memcg_period_secs: refused([600], MEM_AGENT),
  memcg_period_psi_percent_limit: refused([1], MEM_AGENT),
  memcg_eviction_psi_percent_limit: refused([1], MEM_AGENT),
  memcg_eviction_run_aging_count_min: refused([3], MEM_AGENT),
  compact_disable: refused([false], MEM_AGENT),
  compact_period_secs: refused([600], MEM_AGENT),
  compact_period_psi_percent_limit: refused([1], MEM_AGENT),
  compact_psi_percent_limit: refused([5], MEM_AGENT),
  compact_sec_max: refused([300], MEM_AGENT),
  compact_order: refused([9], MEM_AGENT),
  compact_threshold: refused([1024], MEM_AGENT),
  // 2^63 - 1, as a TOML parser for JavaScript rounds it.
  compact_force_times: refused([2 ** 63], MEM_AGENT),
} as const;
