/** Which kernel goes with the initrd: the tuned one when it was built, otherwise Debian's. */
import { extractKernel } from "./kernel_image.ts";
import type { Entry } from "./cpio.ts";
import type { KernelItem } from "./manifest.ts";
import { moduleEntries, openModuleTree } from "./modules.ts";
import {
  exists,
  realKernelPackage,
  resolvePackages,
  sha256Of,
  unpackPackages,
} from "./packages.ts";

/** "auto" takes the tuned kernel when the cache has one built from today's fragment. */
export type KernelChoice = "auto" | "stock" | "tuned";

/** A kernel and what the initrd must hold for it. */
export interface GuestKernel {
  readonly image: Uint8Array;
  readonly entries: readonly Entry[];
}

/** The start of the names of folders that hold kernels built from this fragment: `kernels/<hash>-<version>/vmlinux`. */
export async function fragmentKey(fragment: Uint8Array<ArrayBuffer>): Promise<string> {
  return (await sha256Of(fragment)).slice(0, 16);
}

/**
 * The newest tuned kernel built from this fragment, as a path.
 * @returns undefined when the choice is "stock", or "auto" and none was built.
 * @throws {Error} When the choice is "tuned" and none was built.
 */
export async function findTunedKernel(
  choice: KernelChoice,
  cache: string,
  fragment: Uint8Array<ArrayBuffer>,
): Promise<string | undefined> {
  if (choice === "stock") return undefined;
  const key = await fragmentKey(fragment);
  const folders = await exists(`${cache}/kernels`) ? [...Deno.readDirSync(`${cache}/kernels`)] : [];
  const names = folders.map(({ name }) => name).filter((name) => name.startsWith(`${key}-`));
  const newest = names.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  if (newest !== undefined) return `${cache}/kernels/${newest}/vmlinux`;
  if (choice === "tuned") {
    throw new Error(`No tuned kernel in "${cache}/kernels": run tools/build-kernel`);
  }
  return undefined;
}

/** Reads the tuned kernel, which has everything built in. */
export async function tunedKernel(path: string): Promise<GuestKernel> {
  return { image: await extractKernel(await Deno.readFile(path), path), entries: [] };
}

/** Fetches Debian's kernel, which comes with modules. */
export async function stockKernel(kernel: KernelItem, cache: string): Promise<GuestKernel> {
  const [version] = await resolvePackages([await realKernelPackage(kernel.debian)]);
  if (version === undefined) throw new Error(`apt offers no "${kernel.debian}"`);
  const [unpacked] = await unpackPackages([version], cache);
  if (unpacked === undefined) throw new Error(`Cannot unpack "${version.file}"`);
  const tree = await openModuleTree(`${unpacked.root}/lib/modules`);
  const image = `${unpacked.root}/boot/vmlinuz-${tree.release}`;
  return {
    image: await extractKernel(await Deno.readFile(image), image),
    entries: moduleEntries(kernel, tree),
  };
}
