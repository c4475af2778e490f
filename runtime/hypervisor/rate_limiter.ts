/** What a device may do at most; 0: no limit. A burst is allowed once, on top. */
export interface RateLimit {
  /** Bits a second. */
  readonly bandwidth: number;
  /** Bits. */
  readonly bandwidthBurst: number;
  /** Requests or packets a second. */
  readonly operations: number;
  readonly operationsBurst: number;
}

export const NO_LIMIT: RateLimit = {
  bandwidth: 0,
  bandwidthBurst: 0,
  operations: 0,
  operationsBurst: 0,
};

/** Buckets are filled within this long, in milliseconds. */
const REFILL_MS = 1000;

const BITS = 8;

/**
 * The object that both Firecracker and Cloud Hypervisor take: token buckets of bytes and of operations.
 * Source: their OpenAPI descriptions, RateLimiter and RateLimiterConfig.
 * @returns `undefined` where nothing is limited.
 */
export function rateLimiter(limit: RateLimit): Record<string, unknown> | undefined {
  const { bandwidth, bandwidthBurst, operations, operationsBurst } = limit;
  if (bandwidth === 0 && operations === 0) return undefined;
  return {
    ...(bandwidth > 0 && { bandwidth: bucket(bandwidth / BITS, bandwidthBurst / BITS) }),
    ...(operations > 0 && { ops: bucket(operations, operationsBurst) }),
  };
}

function bucket(rate: number, burst: number): Record<string, number> {
  return {
    size: Math.max(1, Math.floor(rate)),
    ...(burst > 0 && { one_time_burst: Math.floor(burst) }),
    refill_time: REFILL_MS,
  };
}
