/** Limits on what goes through a device; 0 means none. */
export interface RateLimits {
  readonly bitsPerSecond: number;
  /** Bits that may go at once beyond that, once. */
  readonly burstBits: number;
  readonly operationsPerSecond: number;
  readonly burstOperations: number;
}

export const NO_LIMITS: RateLimits = {
  bitsPerSecond: 0,
  burstBits: 0,
  operationsPerSecond: 0,
  burstOperations: 0,
};

/** As the interfaces of Cloud Hypervisor and Firecracker have it, alike. Source: their descriptions, TokenBucket. */
export interface TokenBucket {
  readonly size: number;
  /** Milliseconds in which it is filled. */
  readonly refill_time: number;
  readonly one_time_burst?: number;
}

export interface RateLimiter {
  /** In bytes. */
  readonly bandwidth?: TokenBucket;
  readonly ops?: TokenBucket;
}

/** A bucket of a second's worth, filled within a second. @returns `undefined`: nothing is limited. */
export function rateLimiter(limits: RateLimits): RateLimiter | undefined {
  const bandwidth = bucket(limits.bitsPerSecond / 8, limits.burstBits / 8);
  const ops = bucket(limits.operationsPerSecond, limits.burstOperations);
  if (bandwidth === undefined && ops === undefined) return undefined;
  return { ...(bandwidth && { bandwidth }), ...(ops && { ops }) };
}

function bucket(perSecond: number, burst: number): TokenBucket | undefined {
  if (perSecond <= 0) return undefined;
  const size = Math.max(1, Math.floor(perSecond)), once = Math.floor(burst);
  return { size, refill_time: 1000, ...(once > 0 && { one_time_burst: once }) };
}
