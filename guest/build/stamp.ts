/** Tells whether the guest must be built again, without reading anything large. */
import { findTunedKernel, type KernelChoice } from "./kernel_choice.ts";
import { GUEST_DIR } from "./manifest.ts";
import { exists, sha256Of } from "./packages.ts";

/** Everything the result depends on, small enough to compare at each build. */
export interface Inputs {
  /** SHA-256 over the builder, the manifest, the overlay and /init's source. */
  readonly sources: string;
  /** Identity of the agent: path, size and time of change. */
  readonly agent: string;
  /** Path of the tuned kernel, or null for Debian's. */
  readonly tunedKernel: string | null;
}

const SOURCE_FOLDERS = ["build", "init", "overlay"];

/** @throws {Error} When there is no agent, or the tuned kernel is asked for and not there. */
export async function describeInputs(
  options: { readonly agent: string; readonly cache: string; readonly kernel: KernelChoice },
): Promise<Inputs> {
  const fragment = await Deno.readFile(`${GUEST_DIR}kernel.fragment`);
  return {
    sources: await hashSources(),
    agent: await identify(options.agent),
    tunedKernel: await findTunedKernel(options.kernel, options.cache, fragment) ?? null,
  };
}

/** Whether the stamp in `out` names these inputs, and the files it speaks of are as they were left. */
export async function isUpToDate(
  out: string,
  inputs: Inputs,
  files: readonly string[],
): Promise<boolean> {
  const path = stampPath(out);
  for (const file of [path, ...files]) if (!await exists(file)) return false;
  return await Deno.readTextFile(path) === await describe(inputs, files);
}

/** Records what the files in `out` were built from. */
export async function writeStamp(
  out: string,
  inputs: Inputs,
  files: readonly string[],
): Promise<void> {
  await Deno.writeTextFile(stampPath(out), await describe(inputs, files));
}

function stampPath(out: string): string {
  return `${out}/guest.stamp.json`;
}

async function describe(inputs: Inputs, files: readonly string[]): Promise<string> {
  return JSON.stringify({ inputs, results: await Promise.all(files.map(identify)) }, null, 2) +
    "\n";
}

async function identify(path: string): Promise<string> {
  const { size, mtime } = await Deno.stat(path);
  return `${await Deno.realPath(path)} ${size} ${mtime?.getTime()}`;
}

async function hashSources(): Promise<string> {
  const files = [
    `${GUEST_DIR}rootfs.json`,
    ...SOURCE_FOLDERS.flatMap((folder) => filesBelow(GUEST_DIR + folder)),
  ];
  const digests = await Promise.all(
    files.sort().map(async (file) => await sha256Of(await Deno.readFile(file))),
  );
  return await sha256Of(new TextEncoder().encode(digests.join()));
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}
