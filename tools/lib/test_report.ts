/** Counts of test runs, read from what `deno test` prints last. */

/** How many tests ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** No tests at all. */
export const NONE: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Terminal colours. Source: ECMA-48, SGR. */
// deno-lint-ignore no-control-regex -- the escape character is what is looked for.
const COLOURS = /\u001b\[[0-9;]*m/g;

/** The summary, such as `FAILED | 3 passed (2 steps) | 1 failed | 2 ignored (1s)`. */
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed.*$/gm;

function count(line: string, word: string): number {
  return Number(new RegExp(`\\| (\\d+) ${word}\\b`).exec(line)?.[1] ?? 0);
}

/**
 * Reads the counts of one run.
 * @param text What `deno test` printed.
 * @param code Its exit status: a run that failed without a summary counts as one failure.
 */
export function countTests(text: string, code: number): Counts {
  const line = text.replaceAll(COLOURS, "").match(SUMMARY)?.at(-1);
  if (line === undefined) return { ...NONE, failed: code === 0 ? 0 : 1 };
  const failed = count(line, "failed");
  return {
    passed: count(line, "passed"),
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: count(line, "ignored"),
  };
}

/** The sum of two counts. */
export function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/** The line that ends every run of tools/test. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
