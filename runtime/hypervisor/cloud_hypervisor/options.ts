import { NO_LIMITS, type RateLimits } from "../rate_limiter.ts";

/** Settings of the Cloud Hypervisor driver, from `[hypervisor.clh]`. Key names in messages are those of config.toml. */
export interface CloudHypervisorOptions {
  /** `path`: the program. */
  readonly path: string;
  /** `disable_seccomp`, negated: the VMM's own system call filter. */
  readonly seccomp: boolean;
  /** `enable_debug`: show the guest kernel's messages on its console. */
  readonly debug: boolean;
  /** `entropy_source`: what feeds the guest's random numbers. */
  readonly entropySource: string;
  /** `reclaim_guest_freed_memory`: give pages that the guest frees back to the host. */
  readonly freePageReporting: boolean;
  /** `enable_mem_prealloc`: take all memory from the host at once. */
  readonly memPrealloc: boolean;
  /** `enable_hugepages` */
  readonly hugepages: boolean;
  /** `hypervisor_loglevel`: how much the VMM says, 0 to 3. */
  readonly logLevel: number;
  /** `disk_rate_limiter_*` and `net_rate_limiter_*`: of each disk and card. */
  readonly diskLimits: RateLimits;
  readonly netLimits: RateLimits;
}

export const DEFAULT_CLOUD_HYPERVISOR_OPTIONS: CloudHypervisorOptions = {
  path: "/usr/bin/cloud-hypervisor",
  seccomp: true,
  debug: false,
  entropySource: "/dev/urandom",
  freePageReporting: true,
  memPrealloc: false,
  hugepages: false,
  logLevel: 0,
  diskLimits: NO_LIMITS,
  netLimits: NO_LIMITS,
};

/** Oldest Cloud Hypervisor that the driver speaks to: the first whose balloon reports free pages by this name. */
export const MIN_VERSION = { major: 21, minor: 0 } as const;
