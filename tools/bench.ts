/** Measures our runtime against runc; tools/bench describes it. */
import { parseArgs } from "node:util";
import { engines } from "../tests/bench/engines.ts";
import { machines } from "../tests/bench/machines.ts";
import { memory } from "../tests/bench/memory.ts";
import { network } from "../tests/bench/network.ts";
import { pods } from "../tests/bench/pods.ts";
import { start } from "../tests/bench/start.ts";
import { storage } from "../tests/bench/storage.ts";
import { steps } from "../tests/bench/steps.ts";
import { stdio } from "../tests/bench/stdio.ts";
import { task } from "../tests/bench/task.ts";
import { vmm } from "../tests/bench/vmm.ts";
import { type Bench, configured, type Contender } from "../tests/support/bench.ts";
import { Containerd, RUNC } from "../tests/support/containerd.ts";
import { Figures, jsonLines, table } from "../tests/support/figures.ts";
import { buildTemplate } from "./lib/template.ts";
import { print, progress } from "./lib/terminal.ts";

const BENCHES: readonly Bench[] = [
  start,
  steps,
  machines,
  stdio,
  task,
  memory,
  network,
  pods,
  storage,
  engines,
  vmm,
];

/** runc, and our runtime with VMs that are cloned. */
async function contendersOf(): Promise<Contender[]> {
  const kata = await configured("kata", ["[factory]", "enable_template = true"]);
  return [{ label: "runc", runtime: RUNC }, kata];
}

const DEFAULT_RUNS = 5;

interface Options {
  readonly benches: readonly Bench[];
  readonly runs: number;
  readonly json: string | undefined;
}

/** @throws {Error} Naming the bench or option that is not known. */
function readOptions(args: string[]): Options {
  const options = { runs: { type: "string" }, json: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const runs = Number(values.runs ?? DEFAULT_RUNS);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`--runs wants a number, not "${values.runs}"`);
  }
  const benches = positionals.map((name) => {
    const found = BENCHES.find((bench) => bench.name === name);
    if (found) return found;
    throw new Error(`No bench "${name}": there are ${BENCHES.map(({ name }) => name).join(", ")}`);
  });
  return { benches: benches.length === 0 ? BENCHES : benches, runs, json: values.json };
}

async function measure(
  { benches, runs }: Options,
  contenders: readonly Contender[],
  figures: Figures,
): Promise<void> {
  await using containerd = await Containerd.start();
  progress("building the VM template");
  await buildTemplate(contenders[1]?.flags?.at(-1));
  for (const bench of benches) {
    progress(`${bench.name}: ${bench.what}`);
    await bench.run({ containerd, contenders, runs, figures });
  }
}

/** What was measured before a bench failed is shown too. */
async function main(options: Options): Promise<void> {
  const figures = new Figures(), contenders = await contendersOf();
  try {
    await measure(options, contenders, figures);
  } finally {
    await show(figures, contenders, options);
  }
}

async function show(
  figures: Figures,
  contenders: readonly Contender[],
  { json }: Options,
): Promise<void> {
  const measured = new Set(figures.all().map(({ runtime }) => runtime));
  const known = contenders.map(({ label }) => label).filter((label) => measured.has(label));
  const labels = new Set([...known, ...measured]); // a bench may have more of its own, or none of these
  print(table(figures.all(), [...labels]));
  const lines = jsonLines(figures.all());
  if (json === undefined) print(`\n${lines}`);
  else await Deno.writeTextFile(json, lines + "\n");
}

if (import.meta.main) {
  try {
    await main(readOptions(Deno.args));
  } catch (error) {
    for (let cause: unknown = error; cause !== undefined;) {
      progress(cause instanceof Error ? cause.message : String(cause));
      cause = cause instanceof SuppressedError ? cause.suppressed ?? cause.error : undefined;
    }
    Deno.exit(1);
  }
}
