import { assertEquals } from "@std/assert";
import { NO_LIMITS, rateLimiter } from "./rate_limiter.ts";

Deno.test("rateLimiter counts bytes for bits, and leaves out what has no limit", () => {
  assertEquals(rateLimiter(NO_LIMITS), undefined);
  assertEquals(rateLimiter({ ...NO_LIMITS, burstBits: 80, burstOperations: 5 }), undefined);
  assertEquals(rateLimiter({ ...NO_LIMITS, bitsPerSecond: 8_000_000, burstBits: 80 }), {
    bandwidth: { size: 1_000_000, refill_time: 1000, one_time_burst: 10 },
  });
  assertEquals(rateLimiter({ ...NO_LIMITS, operationsPerSecond: 300, bitsPerSecond: 3 }), {
    bandwidth: { size: 1, refill_time: 1000 },
    ops: { size: 300, refill_time: 1000 },
  });
});
