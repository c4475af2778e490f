/** Figures that benches measure: samples, their minimum and median, as a table and as JSON lines. */

/** One measured quantity of one runtime. */
export interface Figure {
  readonly bench: string;
  /** What was measured, such as "run echo". */
  readonly name: string;
  readonly runtime: string;
  readonly unit: "ms" | "MB/s" | "1/s" | "MiB" | "count";
  readonly samples: readonly number[];
}

/** A figure in short. For rates `best` is the largest sample, otherwise the smallest. */
export interface Summary {
  readonly best: number;
  readonly median: number;
}

/** The middle of the samples; of an even number, the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
}

/** @throws {Error} There is no sample. */
export function summarise(figure: Figure): Summary {
  if (figure.samples.length === 0) throw new Error(`No sample of "${figure.name}"`);
  const choose = figure.unit === "MB/s" || figure.unit === "1/s" ? Math.max : Math.min;
  return { best: choose(...figure.samples), median: median(figure.samples) };
}

/** Collects the samples of one run of the benches. */
export class Figures {
  readonly #figures = new Map<string, Figure & { readonly samples: number[] }>();

  /** Adds one sample. */
  record(figure: Omit<Figure, "samples">, sample: number): void {
    const key = JSON.stringify([figure.bench, figure.name, figure.runtime]);
    const known = this.#figures.get(key) ?? { ...figure, samples: [] };
    known.samples.push(sample);
    this.#figures.set(key, known);
  }

  /** All figures, in the order in which they first came. */
  all(): Figure[] {
    return [...this.#figures.values()];
  }
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function cell(figure: Figure | undefined): string {
  if (figure === undefined) return "-";
  const { best, median } = summarise(figure);
  return `${short(best)} / ${short(median)}`;
}

/** The median of the second runtime by that of the first. */
function ratio(first: Figure | undefined, second: Figure | undefined): string {
  if (first === undefined || second === undefined) return "-";
  return (summarise(second).median / summarise(first).median).toFixed(2);
}

/**
 * A Markdown table: a row for each figure, a column for each runtime with best and median.
 * @param runtimes Labels of the columns; the ratio compares the second with the first.
 */
export function table(figures: readonly Figure[], runtimes: readonly string[]): string {
  const names = [
    ...new Set(figures.map((figure) => `${figure.bench}: ${figure.name}, ${figure.unit}`)),
  ];
  const rows = names.map((name) => {
    const of = (runtime: string): Figure | undefined =>
      figures.find((figure) =>
        figure.runtime === runtime && `${figure.bench}: ${figure.name}, ${figure.unit}` === name
      );
    const [first = "", second = ""] = runtimes;
    return `| ${
      [name, ...runtimes.map((runtime) => cell(of(runtime))), ratio(of(first), of(second))].join(
        " | ",
      )
    } |`;
  });
  const head = ["figure (best / median)", ...runtimes, "ratio of medians"];
  return [`| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`, ...rows].join("\n");
}

/** One line of JSON for each figure, with all samples. */
export function jsonLines(figures: readonly Figure[]): string {
  return figures.map((figure) => JSON.stringify({ ...figure, ...summarise(figure) })).join("\n");
}
