/** GetIPTables and SetIPTables: the guest's packet filter. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { run, type RunResult } from "../../common/linux/subprocess.ts";

const TIMEOUT_MS = 30_000;
/** What is told of a failure. */
const MAX_WORDS = 1000;

/** Seconds to wait for whoever changes rules at the moment. */
const LOCK_SECONDS = "10";

async function call(
  program: string,
  args: readonly string[],
  stdin?: Uint8Array,
): Promise<RunResult> {
  const result = await run([program, ...args], { timeoutMs: TIMEOUT_MS, ...(stdin && { stdin }) });
  if (result.code === 0) return result;
  const words = result.stderr.trim().slice(0, MAX_WORDS) || `exit status ${result.code}`;
  throw new RuntimeError(Code.InvalidArgument, `${program}: ${words}`);
}

/** The rules as iptables-save(8) prints them. @throws {RuntimeError} The kernel has no such tables. */
export async function getRules(v6: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const { stdout } = await call(`/sbin/${v6 ? "ip6tables" : "iptables"}-save`, []);
  return new TextEncoder().encode(stdout);
}

/**
 * Replaces the rules of the tables named by these, as iptables-restore(8) does: all of them, or none.
 * @returns What it printed.
 * @throws {RuntimeError} InvalidArgument with its own words, which name the line.
 */
export async function setRules(v6: boolean, rules: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const program = `/sbin/${v6 ? "ip6tables" : "iptables"}-restore`;
  const { stdout, stderr } = await call(program, ["--wait", LOCK_SECONDS], rules);
  return new TextEncoder().encode(stdout + stderr);
}
