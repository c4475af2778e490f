/** Builds the tuned kernel; run by tools/build-kernel, which describes it. */
import { parseArgs } from "node:util";
import { runForText } from "../guest/build/command.ts";
import { extractKernel } from "../guest/build/kernel_image.ts";
import { fragmentKey } from "../guest/build/kernel_choice.ts";
import { GUEST_DIR } from "../guest/build/manifest.ts";
import {
  exists,
  type PackageVersion,
  resolvePackages,
  unpackPackages,
} from "../guest/build/packages.ts";
import { cacheDir } from "./lib/paths.ts";
import { print, progress } from "./lib/terminal.ts";
import { lostSymbols } from "./kernel_config.ts";

const SOURCE_PACKAGE = "linux-source-6.1";
/** What compiling a kernel needs on Debian; libelf serves objtool. */
const BUILD_PACKAGES = [
  "bc",
  "bison",
  "flex",
  "gcc",
  "libc6-dev",
  "libelf-dev",
  "make",
  "xz-utils",
];
/** The same source and fragment give the same bytes. Source: Documentation/kbuild/reproducible-builds.rst. */
const REPRODUCIBLE = {
  KBUILD_BUILD_TIMESTAMP: "1970-01-01",
  KBUILD_BUILD_USER: "kata",
  KBUILD_BUILD_HOST: "kata",
};

/**
 * Builds unless it was built before.
 * @returns Path of the kernel in the cache.
 * @throws {Error} On a missing tool, a symbol the kernel does not take, or a failed compilation.
 */
export async function buildKernel(cache: string, jobs: number): Promise<string> {
  const fragment = `${GUEST_DIR}kernel.fragment`;
  const [source] = await resolvePackages([SOURCE_PACKAGE]);
  if (source === undefined) throw new Error(`apt offers no ${SOURCE_PACKAGE}`);
  const result = `${cache}/kernels/${await fragmentKey(await Deno.readFile(fragment))}-${
    versionOf(source)
  }`;
  if (await exists(result)) return `${result}/vmlinux`;
  await requirePackages();
  await Deno.mkdir(`${cache}/kernels`, { recursive: true });
  const work = await Deno.makeTempDir({ dir: cache, prefix: "kernel-" });
  try {
    const tree = await unpackSource(source, cache, work);
    await configure(tree, fragment);
    await compile(tree, jobs);
    await keep(tree, work, result);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return `${result}/vmlinux`;
}

/** As in "6.1.192-2". */
function versionOf(source: PackageVersion): string {
  return source.file.split("_")[1] ?? "unknown";
}

async function requirePackages(): Promise<void> {
  const installed = await runForText([
    "dpkg-query",
    "-W",
    "-f",
    "${Package} ${db:Status-Status}\n",
  ]);
  const names = new Set(
    installed.split("\n").filter((line) => line.endsWith(" installed")).map((line) =>
      line.split(" ")[0]
    ),
  );
  const missing = BUILD_PACKAGES.filter((name) => !names.has(name));
  if (missing.length === 0) return;
  progress(`installing ${missing.join(" ")}`);
  await runForText(["apt-get", "install", "--yes", "--no-install-recommends", ...missing]);
}

async function unpackSource(source: PackageVersion, cache: string, work: string): Promise<string> {
  progress(`unpacking ${source.file}`);
  const [unpacked] = await unpackPackages([source], cache);
  if (unpacked === undefined) throw new Error(`Cannot unpack "${source.file}"`);
  await runForText(["tar", "-xf", `${unpacked.root}/usr/src/${SOURCE_PACKAGE}.tar.xz`, "-C", work]);
  return `${work}/${SOURCE_PACKAGE}`;
}

async function configure(tree: string, fragment: string): Promise<void> {
  await runForText(["make", `KCONFIG_ALLCONFIG=${fragment}`, "allnoconfig"], {
    cwd: tree,
    env: REPRODUCIBLE,
  });
  const lost = lostSymbols(
    await Deno.readTextFile(fragment),
    await Deno.readTextFile(`${tree}/.config`),
  );
  if (lost.length > 0) {
    throw new Error(`The kernel's configuration does not keep: ${lost.join(", ")}`);
  }
}

async function compile(tree: string, jobs: number): Promise<void> {
  progress(`compiling the kernel with ${jobs} jobs (minutes)`);
  await runForText(["nice", "-n", "19", "make", `-j${jobs}`, "vmlinux"], {
    cwd: tree,
    env: REPRODUCIBLE,
  });
}

/** Keeps kernel and configuration; the folder appears whole or not at all. */
async function keep(tree: string, work: string, result: string): Promise<void> {
  const kept = `${work}/result`;
  await Deno.mkdir(kept);
  await runForText(["strip", "-o", `${kept}/vmlinux`, `${tree}/vmlinux`]);
  await extractKernel(await Deno.readFile(`${kept}/vmlinux`), "the kernel just built"); // has a PVH entry
  await Deno.rename(`${tree}/.config`, `${kept}/config`);
  await Deno.rename(kept, result);
}

if (import.meta.main) {
  const options = {
    jobs: { type: "string", default: `${navigator.hardwareConcurrency}` },
  } as const;
  const { values } = parseArgs({ args: Deno.args, options });
  print(await buildKernel(`${cacheDir()}/guest`, Math.max(1, Number(values.jobs) || 1)));
}
