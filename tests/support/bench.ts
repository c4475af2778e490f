/** What every bench in tests/bench is made of. */
import { type Containerd, SHIM_PATH } from "./containerd.ts";
import type { Figure, Figures } from "./figures.ts";

/** A runtime to measure. */
export interface Contender {
  /** Its column in the table. */
  readonly label: string;
  /** What `ctr run --runtime` takes. */
  readonly runtime: string;
  /** More flags for `ctr run`. */
  readonly flags?: readonly string[];
}

/** Flags for `ctr run` with a contender. */
export function runtimeFlags({ runtime, flags = [] }: Contender): string[] {
  return ["--runtime", runtime, ...flags];
}

/** Our runtime with lines for its configuration, as a contender of its own. */
export async function configured(label: string, lines: readonly string[]): Promise<Contender> {
  const path = await Deno.makeTempFile({ prefix: "kata-bench-", suffix: ".toml" });
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`);
  return { label, runtime: SHIM_PATH, flags: ["--runtime-config-path", path] };
}

/** Our runtime without templates: each VM boots. */
export function coldContender(): Promise<Contender> {
  return configured("kata cold", ["[factory]", "enable_template = false"]);
}

/** What a bench gets. */
export interface BenchContext {
  readonly containerd: Containerd;
  readonly contenders: readonly Contender[];
  /** How often each figure is measured. */
  readonly runs: number;
  readonly figures: Figures;
}

/** A named group of figures. */
export interface Bench {
  readonly name: string;
  readonly what: string;
  run(context: BenchContext): Promise<void>;
}

/** Measures every contender in turn, so that other load on the machine meets all alike. */
export async function interleave(
  { contenders, runs }: BenchContext,
  measure: (contender: Contender, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < runs; round++) {
    for (const contender of contenders) await measure(contender, round);
  }
}

/** A function that records samples of one bench. */
export function recorder(
  { figures }: BenchContext,
  bench: string,
): (contender: Contender, name: string, unit: Figure["unit"], sample: number) => void {
  return ({ label }, name, unit, sample) =>
    figures.record({ bench, name, runtime: label, unit }, sample);
}

/** Starts `ctr` with its streams open. The caller reads them to their ends and awaits its status. */
export function spawnCtr(containerd: Containerd, args: readonly string[]): Deno.ChildProcess {
  const [program, ...rest] = containerd.argv(...args);
  return new Deno.Command(program, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Milliseconds since a `performance.now()`. */
export function since(startedMs: number): number {
  return performance.now() - startedMs;
}
