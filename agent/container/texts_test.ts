/** The small parsers of this folder: whatever text comes, they answer or refuse, and never take a wrong turn. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { parseIoStat, parseKeyed, parseSingle } from "./cgroup_files.ts";
import { crunFailure, lastMessage } from "./crun_error.ts";
import { checkId } from "./ids.ts";
import { termIsDropped } from "./signal_rules.ts";
import { parseGreeting } from "./stream_table.ts";
import { cpuStats, ioStats } from "./stats.ts";
import { sysctlPath } from "./sysctl.ts";

Deno.test("checkId accepts nothing that could leave a folder", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (id) => {
    try {
      checkId(id, "container");
    } catch (error) {
      return error instanceof RuntimeError && error.code === Code.InvalidArgument;
    }
    return /^[A-Za-z0-9]/.test(id) && !id.includes("/") && !id.includes("\0");
  }));
  for (const bad of ["", ".", "..", "../x", "-a", "a/b", "a\n", "x".repeat(201)]) {
    assertThrows(() => checkId(bad, "exec"), RuntimeError, "exec id");
  }
});

Deno.test("parseGreeting reads every number that a host may choose, and nothing else", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      (n) => parseGreeting(`STREAM ${n}`) === n,
    ),
  );
  fc.assert(fc.property(fc.string(), (line) => {
    assertThrows(() => parseGreeting(line), RuntimeError);
  }));
  for (
    const bad of [
      "STREAM 0",
      "STREAM 4294967296",
      "STREAM 01",
      "STREAM -1",
      "STREAM 1 ",
      "stream 1",
    ]
  ) {
    assertThrows(() => parseGreeting(bad), RuntimeError);
  }
});

Deno.test("parseKeyed finds what was written, among lines of any other form", () => {
  const key = fc.stringMatching(/^[a-z_]{1,9}$/);
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      fc.string(),
      (values, noise) => {
        const lines = Object.entries(values).map(([name, value]) => `${name} ${value}`);
        const found = parseKeyed(`${lines.join("\n")}\n!${noise.replaceAll("\n", "")}\n`);
        for (const [name, value] of Object.entries(values)) assertEquals(found.get(name), value);
      },
    ),
  );
});

Deno.test("parseSingle and parseIoStat take any text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    assert(parseSingle(text) >= 0n);
    assert(parseIoStat(text).every(({ major }) => major >= 0n));
  }));
  assertEquals(parseSingle("max\n"), 2n ** 64n - 1n);
});

Deno.test("ioStats and cpuStats use Kata's names and units", () => {
  const io = ioStats("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n");
  assertEquals(io?.ioServiceBytesRecursive?.map(({ op, value }) => [op, value]), [["Read", 10n], [
    "Write",
    20n,
  ], ["Discard", 0n]]);
  const cpu = cpuStats(
    "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 7\n",
  );
  assertEquals(cpu?.cpuUsage?.totalUsage, 5000n);
  assertEquals(cpu?.throttlingData?.throttledTime, 7000n);
});

Deno.test("termIsDropped only for an init without any answer to SIGTERM", () => {
  const status = (nspid: string, caught: string): string =>
    `Name:\tsh\nNSpid:\t${nspid}\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t${caught}\n`;
  assertEquals(termIsDropped(status("77\t1", "0000000000000000")), true);
  assertEquals(termIsDropped(status("77\t1", "0000000000004000")), false);
  assertEquals(termIsDropped(status("77\t5", "0000000000000000")), false);
  assertEquals(termIsDropped(""), false);
  fc.assert(fc.property(fc.string(), (text) => typeof termIsDropped(text) === "boolean"));
});

Deno.test("crunFailure speaks as runc does about commands", () => {
  const line = (msg: string): string => JSON.stringify({ msg, level: "error", time: "t" });
  const missing = crunFailure(
    "create",
    1,
    line("executable file `nope` not found in $PATH: No such file or directory"),
  );
  assertEquals(missing.message, 'exec: "nope": executable file not found in $PATH');
  const denied = crunFailure(
    "exec",
    255,
    line("open executable: Operation not permitted"),
    "/proc",
  );
  assertEquals(denied.message, 'exec: "/proc": permission denied');
  const other = crunFailure("create", 1, `${line("first")}\n${line("cannot mount\nthing")}\n`);
  assertEquals(other.message, "crun create: cannot mount thing");
  assertEquals(crunFailure("update", 3, "").message, "crun update: exit status 3");
});

Deno.test("lastMessage takes any log", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (log) => {
    const message = lastMessage(log);
    // deno-lint-ignore no-control-regex
    assert(message.length <= 2000 && !/[\u0000-\u001f]/.test(message));
  }));
});

Deno.test("sysctlPath stays in /proc/sys/net", () => {
  assertEquals(sysctlPath("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
  for (
    const bad of ["kernel.x", "net", "net..x", "net.../../../etc/x", "net.a b", "net/../kernel/x"]
  ) {
    assertThrows(() => sysctlPath(bad), RuntimeError);
  }
  fc.assert(fc.property(fc.string(), (key) => {
    assertThrows(() => sysctlPath(`net/../${key}`), RuntimeError);
  }));
});
