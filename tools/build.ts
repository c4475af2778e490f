/** Makes dist/; run by tools/build, which describes it. */
import { buildGuest } from "../guest/build/build_guest.ts";
import { compileC, cProgramKey } from "./lib/c_program.ts";
import { cacheDir, DIST, ROOT } from "./lib/paths.ts";
import { bundle, compile, type Program, sourceKey } from "./lib/program.ts";
import { Stamps } from "./lib/stamps.ts";
import { progress } from "./lib/terminal.ts";

/** The executables, and what each may use. */
const PROGRAMS: readonly Program[] = [
  {
    name: "containerd-shim-kata-v2",
    entry: "mod.ts",
    v8Flags: ["--max-old-space-size=256", "--max-semi-space-size=1"],
  },
  {
    name: "kata-agent",
    entry: "agent/main.ts",
    v8Flags: ["--max-old-space-size=128", "--max-semi-space-size=1"],
  },
];

/** C programs, where a Deno process would be too large, and what QEMU preloads. */
const C_PROGRAMS: Readonly<Record<string, string>> = {
  "kata-relay": "runtime/relay/relay.c",
  "kata-private-ram.so": "runtime/hypervisor/qemu/private_ram.c",
};

/** Second names, as relative links: the program sees by which one it was called. */
const LINKS: Readonly<Record<string, string>> = { "kata-runtime": "containerd-shim-kata-v2" };

async function buildProgram(program: Program, stamps: Stamps): Promise<void> {
  const { name } = program;
  const sources = await sourceKey(program), stamp = `sources of ${name}`;
  if (await stamps.isCurrent(name, sources, stamp)) return progress(`${name}: unchanged`);
  const bundled = await bundle(program);
  if (await stamps.isCurrent(name, bundled.key)) {
    progress(`${name}: unchanged`);
  } else {
    progress(`${name}: compiling`);
    await compile(bundled, `${DIST}/${name}`);
    await stamps.set(name, bundled.key);
  }
  await stamps.set(stamp, sources);
}

async function buildCProgram(name: string, source: string, stamps: Stamps): Promise<void> {
  const key = await cProgramKey(source, name);
  if (await stamps.isCurrent(name, key)) return progress(`${name}: unchanged`);
  progress(`${name}: compiling`);
  await compileC(source, `${DIST}/${name}`);
  await stamps.set(name, key);
}

async function link(name: string, target: string): Promise<void> {
  const old = await Deno.readLink(`${DIST}/${name}`).catch(() => undefined);
  if (old === target) return;
  const partial = `${DIST}/.${name}.partial`;
  await Deno.remove(partial).catch(() => {}); // of a build that was interrupted
  await Deno.symlink(target, partial);
  await Deno.rename(partial, `${DIST}/${name}`);
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.copyFile(from, `${to}.partial`);
  await Deno.rename(`${to}.partial`, to);
}

async function build(programsOnly: boolean): Promise<void> {
  await Deno.mkdir(DIST, { recursive: true });
  const stamps = await Stamps.read(DIST);
  for (const program of PROGRAMS) await buildProgram(program, stamps);
  for (const [name, source] of Object.entries(C_PROGRAMS)) {
    await buildCProgram(name, source, stamps);
  }
  for (const [name, target] of Object.entries(LINKS)) await link(name, target);
  await copy(`${ROOT}/config.toml`, `${DIST}/config.toml`);
  if (programsOnly) return;
  await buildGuest({
    agent: `${DIST}/kata-agent`,
    out: DIST,
    cache: `${cacheDir()}/guest`,
    progress,
  });
}

if (import.meta.main) {
  await build(Deno.args.includes("--programs"));
  progress("dist/ is complete");
}
