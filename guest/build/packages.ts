/** Debian packages, fetched by apt (which checks their signatures' chain) into a cache keyed by content. */
import { runForText } from "./command.ts";

/** One version of a package as apt offers it. */
export interface PackageVersion {
  readonly name: string;
  readonly url: string;
  readonly file: string;
  readonly sha256: string;
}

/** A package unpacked in the cache. */
export interface UnpackedPackage extends PackageVersion {
  readonly root: string;
}

const URI_LINE = /^'([^']+)' (\S+) \d+ SHA256:([0-9a-f]{64})$/;

/**
 * Asks apt which version of each package it would install.
 * @throws {Error} When apt knows one of them not, or gives no SHA-256 for it.
 */
export async function resolvePackages(names: readonly string[]): Promise<PackageVersion[]> {
  const output = await runForText(["apt-get", "download", "--print-uris", ...names]);
  const versions = parseUris(output);
  const missing = names.filter((name) => !versions.some((version) => version.name === name));
  if (missing.length > 0) {
    throw new Error(`apt offers no verified file for ${missing.join(", ")}; run "apt-get update"`);
  }
  return versions;
}

/** Parses `apt-get download --print-uris`: 'url' file size SHA256:hash. Other lines are skipped. */
export function parseUris(output: string): PackageVersion[] {
  return output.split("\n").flatMap((line) => {
    const [, url, file, sha256] = URI_LINE.exec(line) ?? [];
    if (url === undefined || file === undefined || sha256 === undefined) return [];
    return [{ name: file.slice(0, file.indexOf("_")), url, file, sha256 }];
  });
}

/** The real package behind a meta package such as linux-image-amd64: its first dependency. */
export async function realKernelPackage(meta: string): Promise<string> {
  const output = await runForText([
    "apt-cache",
    "depends",
    "--no-recommends",
    "--no-suggests",
    meta,
  ]);
  const name = /Depends: (linux-image-\S+)/.exec(output)?.[1];
  if (name === undefined) {
    throw new Error(`Cannot find the kernel package behind "${meta}"; run "apt-get update"`);
  }
  return name;
}

/** Fetches and unpacks what the cache does not hold yet. */
export async function unpackPackages(
  versions: readonly PackageVersion[],
  cache: string,
): Promise<UnpackedPackage[]> {
  const unpacked = versions.map((version) => ({
    ...version,
    root: `${cache}/packages/${version.sha256}`,
  }));
  const missing = [];
  for (const one of unpacked) if (!await exists(one.root)) missing.push(one);
  if (missing.length > 0) await fetchAndUnpack(missing, cache);
  return unpacked;
}

async function fetchAndUnpack(packages: readonly UnpackedPackage[], cache: string): Promise<void> {
  await Deno.mkdir(`${cache}/packages`, { recursive: true });
  const work = await Deno.makeTempDir({ dir: cache, prefix: "fetch-" });
  try {
    await runForText(["apt-get", "download", ...packages.map((one) => one.name)], { cwd: work });
    for (const one of packages) await unpack(one, `${work}/${one.file}`, `${work}/${one.name}`);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Unpacks beside the cache and renames, so that the cache never holds half a package. */
async function unpack(one: UnpackedPackage, archive: string, scratch: string): Promise<void> {
  const digest = await sha256Of(await Deno.readFile(archive));
  if (digest !== one.sha256) {
    throw new Error(`"${one.file}" has SHA-256 ${digest}, expected ${one.sha256}`);
  }
  await runForText(["dpkg-deb", "-x", archive, scratch]);
  await Deno.rename(scratch, one.root);
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Whether something is at this path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
