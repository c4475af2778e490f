/** Builds what a VM starts from: an uncompressed kernel and an initrd with the agent. */
import { writeCpio } from "./cpio.ts";
import { compileInit } from "./init_program.ts";
import { type GuestKernel, type KernelChoice, stockKernel, tunedKernel } from "./kernel_choice.ts";
import { debianPackages, GUEST_DIR, type Manifest, readManifest } from "./manifest.ts";
import { resolvePackages, unpackPackages } from "./packages.ts";
import { describeInputs, type Inputs, isUpToDate, writeStamp } from "./stamp.ts";
import { rootEntries } from "./tree.ts";

/** What to build from, and where. */
export interface GuestOptions {
  /** The compiled agent, put at the manifest's place. */
  readonly agent: string;
  /** Receives `vmlinux` and `initrd.img`. */
  readonly out: string;
  /** Holds packages and kernels between builds. */
  readonly cache: string;
  /** Default "auto". */
  readonly kernel?: KernelChoice;
  /** Build even when nothing changed, with the newest packages. */
  readonly force?: boolean;
  /** Told of each slow step. */
  readonly progress?: (message: string) => void;
}

/** Paths of what was built. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
  /** Whether anything had to be done. */
  readonly built: boolean;
}

/**
 * Builds the guest, or finds it up to date by its stamp, `guest.stamp.json`.
 * The same inputs give the same bytes.
 * @throws {Error} Naming the tool, package, file or library that is missing.
 */
export async function buildGuest(options: GuestOptions): Promise<Guest> {
  const paths = { kernel: `${options.out}/vmlinux`, initrd: `${options.out}/initrd.img` };
  const inputs = await describeInputs({ ...options, kernel: options.kernel ?? "auto" });
  if (options.force !== true && await isUpToDate(options.out, inputs, Object.values(paths))) {
    return { ...paths, built: false };
  }
  await Deno.mkdir(options.out, { recursive: true });
  await Deno.mkdir(options.cache, { recursive: true });
  await build(options, inputs, paths);
  await writeStamp(options.out, inputs, Object.values(paths));
  return { ...paths, built: true };
}

async function build(
  options: GuestOptions,
  inputs: Inputs,
  paths: { kernel: string; initrd: string },
): Promise<void> {
  const progress = options.progress ?? (() => {});
  const manifest = await readManifest();
  progress("fetching packages");
  const kernel = await chooseKernel(manifest, inputs, options.cache);
  const packages = await unpackPackages(
    await resolvePackages(debianPackages(manifest)),
    options.cache,
  );
  progress("compiling /init");
  const init = await compileInit(GUEST_DIR + manifest.init.source);
  progress("writing the initrd");
  const agent = await Deno.readFile(options.agent);
  const entries = rootEntries({ manifest, packages, init, agent, extra: kernel.entries });
  await replaceFile(paths.kernel, kernel.image);
  await replaceFile(paths.initrd, writeCpio(entries));
}

async function chooseKernel(
  manifest: Manifest,
  inputs: Inputs,
  cache: string,
): Promise<GuestKernel> {
  return inputs.tunedKernel === null
    ? await stockKernel(manifest.kernel, cache)
    : await tunedKernel(inputs.tunedKernel);
}

/** A VM may be starting from the old file, which therefore stays whole. */
async function replaceFile(path: string, data: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}.new`, data);
  await Deno.rename(`${path}.new`, path);
}
