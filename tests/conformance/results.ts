/** How the cases of a run ended. */

/** Names of cases, by how they ended. A case below another is named `Parent/child`. */
export interface Results {
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  readonly skipped: ReadonlySet<string>;
}

const VERDICT = /--- (PASS|FAIL|SKIP): (\S+) \(/g;
const BEGUN = /^=== RUN\s+(\S+)$/gm;

/** Reads what a Go test program printed with `-test.v`. A case that began and did not end has failed. */
export function parseGoTest(text: string): Results {
  const by = { PASS: new Set<string>(), FAIL: new Set<string>(), SKIP: new Set<string>() };
  for (const [, verdict, name] of text.matchAll(VERDICT)) {
    by[verdict as keyof typeof by].add(name ?? "");
  }
  for (const [, name = ""] of text.matchAll(BEGUN)) {
    if (!by.PASS.has(name) && !by.SKIP.has(name)) by.FAIL.add(name);
  }
  return { passed: by.PASS, failed: by.FAIL, skipped: by.SKIP };
}

const TIMED_OUT = /^panic: test timed out after .*\n\s*running tests:\n((?:\s+\S+ \(.*\)\n?)+)/gm;

/** The cases that a run which was ended for hanging never came to. */
export function heldUp(cases: readonly string[], text: string): string[] {
  const hung = [...text.matchAll(TIMED_OUT)].flatMap(([, list = ""]) =>
    [...list.matchAll(/^\s+(\S+) \(/gm)].map(([, name = ""]) => name.replace(/\/.*$/, ""))
  );
  if (hung.length === 0) return [];
  const { passed, failed, skipped } = parseGoTest(text.replace(BEGUN, ""));
  const ended = [passed, failed, skipped];
  return cases.filter((name) => !hung.includes(name) && !ended.some((set) => set.has(name)));
}

/** Only the cases of a list; what the run never came to has failed. */
export function only(results: Results, cases: readonly string[]): Results {
  const pick = (set: ReadonlySet<string>): Set<string> =>
    new Set(cases.filter((name) => set.has(name)));
  const passed = pick(results.passed), skipped = pick(results.skipped);
  const failed = new Set(cases.filter((name) => !passed.has(name) && !skipped.has(name)));
  return { passed, failed, skipped };
}

/** A case that docs/conformance.md explains. */
export interface Exemption {
  readonly name: string;
  /** The daemon with which it holds, such as "1.6"; empty: with each. */
  readonly containerd: string;
}

const ROW = /^\| `([^`]+)` *\| *([^|]*?) *\|/gm;

/** Reads the tables of docs/conformance.md: first the case, then the daemon's version or "all". */
export function parseExemptions(text: string): Exemption[] {
  return [...text.matchAll(ROW)].map(([, name = "", version = ""]) => ({
    name,
    containerd: version === "all" ? "" : version,
  }));
}

/** Whether a case may fail with this daemon; with a case all those below it may. */
export function isExempt(
  exemptions: readonly Exemption[],
  name: string,
  containerd: string,
): boolean {
  return exemptions.some((each) =>
    (each.name === name || name.startsWith(`${each.name}/`)) &&
    (each.containerd === "" || each.containerd === containerd)
  );
}

/** `12 passed, 1 failed, 0 skipped` */
export function summary({ passed, failed, skipped }: Results): string {
  return `${passed.size} passed, ${failed.size} failed, ${skipped.size} skipped`;
}
