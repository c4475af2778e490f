/** `fail`: containers cannot run. `degraded`: they run, with less. */
export type Verdict = "pass" | "degraded" | "fail";

/** One thing of this host that was looked at. */
export interface Finding {
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found. */
  readonly found: string;
  /** What it means, where it is not as it should be. */
  readonly meaning?: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** What a thing's absence means. */
export interface Lack {
  readonly verdict: Exclude<Verdict, "pass">;
  readonly meaning: string;
  readonly remedy: string;
}

export function pass(name: string, found: string): Finding {
  return { name, verdict: "pass", found };
}

export function lacking(name: string, found: string, lack: Lack): Finding {
  return { name, found, ...lack };
}

/** The worst of all. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const has = (verdict: Verdict): boolean => findings.some((each) => each.verdict === verdict);
  return has("fail") ? "fail" : has("degraded") ? "degraded" : "pass";
}
