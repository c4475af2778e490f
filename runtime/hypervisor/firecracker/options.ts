import { NO_LIMITS, type RateLimits } from "../rate_limiter.ts";

/** Settings of the Firecracker driver, from `[hypervisor.firecracker]`. Key names in messages are config.toml's. */
export interface FirecrackerOptions {
  /** `path`: the program. */
  readonly path: string;
  /** `jailer_path`: what starts the program in a root and as a user of its own; empty: nothing. */
  readonly jailer: string;
  /** `disable_seccomp`, negated: the VMM's own system call filter. */
  readonly seccomp: boolean;
  /** `enable_debug`: show the guest kernel's messages on its console, and keep the VMM's log. */
  readonly debug: boolean;
  /** `reclaim_guest_freed_memory`: give pages that the guest frees back to the host. */
  readonly freePageReporting: boolean;
  /** `enable_hugepages` */
  readonly hugepages: boolean;
  /** `rx_rate_limiter_max_rate`, `tx_rate_limiter_max_rate`: bits per second; 0: no limit. */
  readonly rxMaxRate: number;
  readonly txMaxRate: number;
  /** `disk_rate_limiter_*`: of each disk. */
  readonly diskLimits: RateLimits;
}

export const DEFAULT_FIRECRACKER_OPTIONS: FirecrackerOptions = {
  path: "/usr/bin/firecracker",
  jailer: "",
  seccomp: true,
  debug: false,
  freePageReporting: false,
  hugepages: false,
  rxMaxRate: 0,
  txMaxRate: 0,
  diskLimits: NO_LIMITS,
};

/** Oldest Firecracker that the driver speaks to: the first with an entropy device. */
export const MIN_VERSION = { major: 1, minor: 4 } as const;
/** The first whose balloon reports free pages. */
export const REPORTING_VERSION = { major: 1, minor: 14 } as const;
