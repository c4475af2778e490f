import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { checkHugePages, parseHugePages } from "./huge_pages.ts";

const MEMINFO = `MemTotal:       24621312 kB
HugePages_Total:     300
HugePages_Free:      200
HugePages_Rsvd:       72
Hugepagesize:       2048 kB
`;

Deno.test("parseHugePages counts what nobody has and nobody was promised", () => {
  assertEquals(parseHugePages(MEMINFO), { pageMiB: 2, available: 128 });
  assertEquals(parseHugePages("MemTotal: 1 kB\n"), undefined);
});

Deno.test("checkHugePages refuses what the pool cannot hold, naming the key", () => {
  const pool = { pageMiB: 2, available: 128 };
  checkHugePages(pool, 256);
  assertThrows(
    () => checkHugePages(pool, 258),
    RuntimeError,
    "enable_hugepages = true: the VM needs 129",
  );
  assertThrows(
    () => checkHugePages(pool, 255),
    RuntimeError,
    "default_memory: 255 MiB are not whole",
  );
  assertThrows(() => checkHugePages(undefined, 256), RuntimeError, "no huge pages");
});
