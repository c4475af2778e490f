import type { Step } from "../metrics/timeline.ts";

/** The feature in which the agent tells when the steps of its boot were over. */
const FEATURE = "kata-deno/boot-steps ";
/** Longest list that is read, in characters. */
const MAX_LENGTH = 2048;
const PAIR = /^([a-z_]{1,32})=(\d{1,9}(?:\.\d{1,3})?)$/;

/** What the guest's /init and agent call their steps, for people. */
const NAMES: Readonly<Record<string, string>> = {
  init: "guest: VMM, firmware and kernel until /init runs",
  mounts: "guest: /init mounts file systems",
  modules: "guest: /init loads modules",
  agent: "guest: /init starts the agent",
  loaded: "guest: the agent loads its program",
  ready: "guest: the agent opens its channel",
};

/**
 * The steps of the guest's boot on the host's clock. What the guest says is a claim: steps that cannot be are left out.
 * @param features The agent's extra features.
 * @param toldMs When they arrived, on the host's monotonic clock.
 * @param startedMs When the VM was started, on the same clock.
 */
export function guestBootSteps(
  features: readonly string[],
  toldMs: number,
  startedMs: number,
): Step[] {
  const text = features.find((feature) =>
    feature.startsWith(FEATURE) && feature.length < MAX_LENGTH
  );
  const pairs = (text ?? "").slice(FEATURE.length).split(" ").flatMap((word) => {
    const [, name, ms] = PAIR.exec(word) ?? [];
    return name !== undefined && ms !== undefined ? [{ name, atMs: Number(ms) }] : [];
  });
  const now = pairs.find(({ name }) => name === "now");
  if (!now) return [];
  let startMs = startedMs;
  return pairs.filter(({ name }) => name in NAMES).flatMap(({ name, atMs }) => {
    const endMs = toldMs - (now.atMs - atMs);
    if (endMs < startMs || endMs > toldMs) return [];
    const step = { name: NAMES[name] ?? name, startMs, endMs };
    startMs = endMs;
    return [step];
  });
}
