/** Reads what a suite written with Ginkgo reports. */
import type { Results } from "./results.ts";

/** One case of a report. Source: ginkgo v2, types.SpecReport. */
interface SpecReport {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly State: string;
  /** 0 for a case that was filtered out or that the run never came to. */
  readonly NumAttempts: number;
}

interface SuiteReport {
  readonly SpecReports: readonly SpecReport[] | null;
}

/** A case's full name, without the project's that stands before all of them. */
function nameOf({ ContainerHierarchyTexts, LeafNodeText }: SpecReport): string {
  return [...ContainerHierarchyTexts ?? [], LeafNodeText].join(" ").replace(/^\[k8s\.io\] /, "");
}

/** Reads a report as `--ginkgo.json-report` writes it. A case that was not begun is in none of the sets. */
export function parseGinkgo(text: string): Results {
  const suites = JSON.parse(text) as readonly SuiteReport[];
  const cases = suites.flatMap(({ SpecReports }) => SpecReports ?? [])
    .filter(({ LeafNodeType, NumAttempts }) => LeafNodeType === "It" && NumAttempts > 0);
  const named = (wanted: (state: string) => boolean): Set<string> =>
    new Set(cases.filter(({ State }) => wanted(State)).map(nameOf));
  return {
    passed: named((state) => state === "passed"),
    skipped: named((state) => state === "skipped"),
    failed: named((state) => state !== "passed" && state !== "skipped"),
  };
}

/** An expression for `--ginkgo.focus` that names these cases and no others. */
export function focusOn(cases: readonly string[]): string {
  const escaped = cases.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return `\\[k8s\\.io\\] (${escaped.join("|")})$`;
}
