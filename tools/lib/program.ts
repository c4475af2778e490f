/** Turns an entry module into one executable: bundled, then compiled together with Deno's run-time. */
import { output } from "./command.ts";
import { hashTree, sha256 } from "./hash.ts";
import { cacheDir, ROOT } from "./paths.ts";

/** One executable of the product. */
export interface Program {
  readonly name: string;
  /** Its entry module, relative to the top folder. */
  readonly entry: string;
  /** Bounds for its heap, so that a leak ends one process and not the node. */
  readonly v8Flags: readonly string[];
}

/** A bundled program: its files, and a hash of all that goes into the executable. */
export interface Bundle {
  readonly program: Program;
  readonly directory: string;
  readonly main: string;
  readonly key: string;
}

/** Folders and files that programs are made of. */
const SOURCES = ["common", "runtime", "agent", "mod.ts", "deno.json", "deno.lock"];

/** Executables hold the times of their files: the same sources give the same bytes. */
const BUILT_AT = new Date(0);

/** A hash that changes whenever a bundle could: of all sources, which is far sooner known than the bundle. */
export async function sourceKey(program: Program, root = ROOT): Promise<string> {
  const hashes = SOURCES.map(async (name) =>
    (await Deno.stat(`${root}/${name}`)).isDirectory
      ? await hashTree(`${root}/${name}`)
      : await sha256(await Deno.readFile(`${root}/${name}`))
  );
  const parts = [Deno.version.deno, denortOrigin(), program.entry, ...flags(program)];
  return await sha256([...parts, ...await Promise.all(hashes)].join("\n"));
}

/**
 * Bundles a program into few files. Dynamic imports stay files of their own, so that what a run does
 * not use is never parsed.
 */
export async function bundle(program: Program, root = ROOT): Promise<Bundle> {
  const directory = `${cacheDir()}/build/${(await sha256(root)).slice(0, 16)}/${program.name}`;
  await Deno.remove(directory, { recursive: true }).catch(ignoreNotFound);
  await output([
    `${ROOT}/tools/deno`,
    "bundle",
    "--quiet",
    "--platform=deno",
    "--code-splitting",
    `--outdir=${directory}`,
    `${root}/${program.entry}`,
  ], { cwd: root });
  for await (const { name } of Deno.readDir(directory)) {
    await Deno.utime(`${directory}/${name}`, BUILT_AT, BUILT_AT);
  }
  const main = program.entry.replace(/^.*\//, "").replace(/\.ts$/, ".js");
  const inputs = [Deno.version.deno, denortOrigin(), ...flags(program), await hashTree(directory)];
  return { program, directory, main, key: await sha256(inputs.join("\n")) };
}

/** Compiles a bundle into the executable `path`, which appears whole or not at all. */
export async function compile(bundle: Bundle, path: string): Promise<void> {
  const partial = `${path}.partial`;
  await output([
    Deno.execPath(),
    "compile",
    "--quiet",
    ...flags(bundle.program),
    "--include=.",
    `--output=${partial}`,
    bundle.main,
  ], { cwd: bundle.directory, timeoutMs: 300_000 });
  await Deno.rename(partial, path);
}

function flags(program: Program): string[] {
  return [
    "--allow-all",
    "--no-check",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--unstable-vsock",
    // It would be read from and written to a known name in /tmp, where anybody can leave one for root to run.
    "--no-code-cache",
    `--v8-flags=${program.v8Flags.join(",")}`,
  ];
}

/** The run-time that programs are compiled with: a file, or deno's own download. */
function denortOrigin(): string {
  return Deno.env.get("DENORT_BIN") ?? "upstream";
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
