/** All that the kernel knows of networks on the host, to be compared before and after. */
import { output } from "../../../tools/lib/command.ts";

/** Figures and states that change by themselves. */
const RESTLESS =
  /^(stats64|stats|operstate|flags|expires|valid_life_time|preferred_life_time|age|used)$/;

/** What `ip` and `tc` tell, one line for each thing. */
async function listed(...argv: [string, ...string[]]): Promise<string[]> {
  const text = (await output(argv)).trim();
  const things = text === "" ? [] : JSON.parse(text) as unknown[];
  return things.map((thing) =>
    `${argv.slice(2).join(" ")}: ${
      JSON.stringify(thing, (key, value) => RESTLESS.test(key) ? undefined : value)
    }`
  );
}

/** Chains and rules, without their counters. */
async function rules(program: string): Promise<string[]> {
  return (await output([program])).split("\n").filter((line) => /^[-:*]/.test(line))
    .map((line) => `${program}: ${line.replace(/ \[\d+:\d+\]$/, "")}`);
}

/** Links, their disciplines and addresses, namespaces, routes of all tables, and rules of both families. */
async function networkState(): Promise<string[]> {
  const lists = await Promise.all([
    listed("ip", "-json", "link"),
    listed("ip", "-json", "addr"),
    listed("ip", "-json", "netns"),
    listed("ip", "-json", "-4", "route", "show", "table", "all"),
    listed("ip", "-json", "-6", "route", "show", "table", "all"),
    listed("ip", "-json", "rule"),
    listed("tc", "-json", "qdisc"),
    rules("iptables-save"),
    rules("ip6tables-save"),
  ]);
  return lists.flat();
}

/** What came and what went between two states; empty when nothing did. */
export function changes(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
  ];
}

/** How long the kernel may take to remove a namespace with all that is in it, or to try an address, in milliseconds. */
const SETTLE_MS = 10_000;

/** What there is once no address is being tried any more. */
export async function settledState(): Promise<string[]> {
  for (const deadline = Date.now() + SETTLE_MS;;) {
    const state = await networkState();
    if (!state.some((line) => line.includes('"tentative"')) || Date.now() > deadline) return state;
  }
}

/** What is another than before, once it has settled: namespaces go on their own time. */
export async function settledChanges(before: readonly string[]): Promise<string[]> {
  for (const deadline = Date.now() + SETTLE_MS;;) {
    const left = changes(before, await networkState());
    if (left.length === 0 || Date.now() > deadline) return left;
  }
}
