import { NO_LIMIT, type RateLimit } from "../rate_limiter.ts";

/** Settings of the Firecracker driver, from `[hypervisor.firecracker]`. Key names in messages are config.toml's. */
export interface FirecrackerOptions {
  /** `path`: the program. */
  readonly path: string;
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
  /** `disk_rate_limiter_*` */
  readonly diskLimit: RateLimit;
}

export const DEFAULT_FIRECRACKER_OPTIONS: FirecrackerOptions = {
  path: "/usr/bin/firecracker",
  seccomp: true,
  debug: false,
  freePageReporting: false,
  hugepages: false,
  rxMaxRate: 0,
  txMaxRate: 0,
  diskLimit: NO_LIMIT,
};

/** Oldest Firecracker that the driver speaks to: the first with an entropy device. */
export const MIN_VERSION = { major: 1, minor: 4 } as const;
