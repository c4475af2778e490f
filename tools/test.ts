/** Runs everything that must pass; tools/test describes it. */
import { command } from "./lib/command.ts";
import { ROOT } from "./lib/paths.ts";
import { buildTemplate } from "./lib/template.ts";
import { note, print, progress } from "./lib/terminal.ts";
import { add, closingLine, type Counts, countTests, NONE } from "./lib/test_report.ts";

/** Something that must pass. */
interface Part {
  readonly name: string;
  readonly what: string;
  /** Arguments of tools/deno. */
  readonly args: readonly string[];
  /** Where a test run looks for tests, relative to the top folder. */
  readonly places?: readonly string[];
  /** Whether it runs the compiled programs. */
  readonly needsBuild?: boolean;
  readonly timeoutMs: number;
}

const MINUTE_MS = 60_000;
const SOURCES = ["mod.ts", "runtime", "agent", "common", "guest", "tools", "tests"];
/** Types are checked once, by the part "check". */
const TEST = ["test", "--allow-all", "--no-check"];

const PARTS: readonly Part[] = [
  { name: "fmt", what: "format", args: ["fmt", "--check"], timeoutMs: MINUTE_MS },
  { name: "lint", what: "style and layers", args: ["lint"], timeoutMs: 2 * MINUTE_MS },
  {
    name: "check",
    what: "types",
    args: ["check", "--quiet", ...SOURCES],
    timeoutMs: 5 * MINUTE_MS,
  },
  {
    name: "texts",
    what: "texts",
    args: ["run", "--allow-all", "tools/texts.ts"],
    timeoutMs: MINUTE_MS,
  },
  {
    name: "unit",
    what: "unit tests",
    args: TEST,
    places: [
      "runtime",
      "agent",
      "common",
      "guest",
      "tools",
      ...["support", "conformance", "vmm"].map((name) => `tests/${name}`),
    ],
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "contract",
    what: "contract tests",
    args: TEST,
    places: ["tests/contract"],
    needsBuild: true,
    timeoutMs: 20 * MINUTE_MS,
  },
  {
    name: "integration",
    what: "integration tests, on the compiled programs",
    args: TEST,
    places: ["tests/integration"],
    needsBuild: true,
    timeoutMs: 45 * MINUTE_MS,
  },
  {
    name: "cri",
    what: "tests of pods through CRI, on the compiled programs",
    args: ["--http2", ...TEST],
    places: ["tests/cri"],
    needsBuild: true,
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "grpc",
    what: "tests of gRPC",
    args: ["--http2", ...TEST],
    places: ["tests/grpc"],
    timeoutMs: 5 * MINUTE_MS,
  },
];

/** What the command line asks for. */
export interface Selection {
  readonly parts: readonly string[];
  /** Texts of which a test file's path must hold one; empty: all files. */
  readonly files: readonly string[];
  /** Further arguments of `deno test`, such as `--filter`. */
  readonly flags: readonly string[];
}

/** Reads the command line; see tools/test. */
export function select(args: readonly string[]): Selection {
  const names = PARTS.map((part) => part.name);
  const at = args.findIndex((arg) => arg.startsWith("-"));
  const words = at < 0 ? args : args.slice(0, at);
  const parts = words.filter((word) => names.includes(word));
  return {
    parts: parts.length === 0 ? names : parts,
    files: words.filter((word) => !names.includes(word)),
    flags: at < 0 ? [] : args.slice(at),
  };
}

async function testFiles(place: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(`${ROOT}/${place}`)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  const found = entries.map(async (entry) => {
    const path = `${place}/${entry.name}`;
    if (entry.isDirectory) return await testFiles(path);
    return entry.name.endsWith("_test.ts") ? [path] : [];
  });
  return (await Promise.all(found)).flat().sort();
}

async function argumentsOf(part: Part, selection: Selection): Promise<string[] | undefined> {
  if (part.places === undefined) return [...part.args];
  const all = (await Promise.all(part.places.map(testFiles))).flat();
  const { files, flags } = selection;
  const chosen = files.length === 0
    ? all
    : all.filter((path) => files.some((text) => path.includes(text)));
  return chosen.length === 0 ? undefined : [...part.args, ...flags, ...chosen];
}

/** Runs one part; a check that fails counts as one failure. */
async function runPart(part: Part, selection: Selection): Promise<Counts> {
  const args = await argumentsOf(part, selection);
  if (args === undefined) return NONE;
  progress(part.what);
  const started = performance.now();
  const { code, stdout, stderr } = await command([`${ROOT}/tools/deno`, ...args], {
    cwd: ROOT,
    timeoutMs: part.timeoutMs,
    tee: (bytes) => Deno.stderr.writeSync(bytes),
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const counts = part.places === undefined
    ? { ...NONE, failed: code === 0 ? 0 : 1 }
    : countTests(stdout + stderr, code);
  note(`${part.what}: ${counts.failed === 0 ? "ok" : "FAILED"} in ${seconds} s`);
  return counts;
}

async function attempt(part: Part, selection: Selection): Promise<Counts> {
  try {
    return await runPart(part, selection);
  } catch (error) {
    note(`${part.what}: ${error instanceof Error ? error.message : error}`);
    return { ...NONE, failed: 1 };
  }
}

async function build(): Promise<Counts> {
  progress("build");
  const { code } = await command([`${ROOT}/tools/build`], {
    timeoutMs: 30 * MINUTE_MS,
    tee: (bytes) => Deno.stderr.writeSync(bytes),
  });
  if (code !== 0) return { ...NONE, failed: 1 };
  progress("VM template");
  await buildTemplate().catch((error) => note(`VMs will boot: ${error.message}`));
  return NONE;
}

async function main(args: readonly string[]): Promise<number> {
  const selection = select(args);
  let counts = NONE;
  let built = false;
  for (const part of PARTS.filter((part) => selection.parts.includes(part.name))) {
    if (part.needsBuild && !built) counts = add(counts, await build());
    built ||= part.needsBuild ?? false;
    counts = add(counts, await attempt(part, selection));
  }
  print(closingLine(counts));
  return counts.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
