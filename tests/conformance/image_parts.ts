/** What the suites' images are put together from. */
import { output } from "../../tools/lib/command.ts";
import { compileC, cProgramKey } from "../../tools/lib/c_program.ts";
import { cacheDir } from "../../tools/lib/paths.ts";
import { busyboxEntries } from "../support/busybox_image.ts";
import type { Blob } from "../support/oci_image.ts";
import type { TarEntry } from "../support/tar.ts";

/** An image of the registry. */
export interface RegistryImage {
  /** Without the registry's host, such as `containerd/busybox`. */
  readonly repository: string;
  readonly tag: string;
  /** The first is its manifest. */
  readonly blobs: readonly [Blob, ...Blob[]];
}

/** Where a container of these images looks for programs, as its environment has it. */
export const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A file with this text. @param path Without a leading slash. */
export function textFile(path: string, text: string, mode = 0o644): TarEntry {
  return { kind: "file", path, mode, content: new TextEncoder().encode(text) };
}

/** A file with what a file of this machine holds. */
export async function programFile(path: string, from: string, mode = 0o755): Promise<TarEntry> {
  return { kind: "file", path: path.replace(/^\//, ""), mode, content: await Deno.readFile(from) };
}

/** A program of ours, compiled once. @returns Its path. */
export async function ownProgram(name: string): Promise<string> {
  const source = `tests/conformance/${name}.c`, folder = `${cacheDir()}/conformance`;
  const path = `${folder}/${name}-${(await cProgramKey(source, name)).slice(0, 16)}`;
  if (!await Deno.stat(path).then(() => true, () => false)) await compileC(source, path);
  return path;
}

/** busybox-static under every name it answers to. */
export async function busyboxLayer(): Promise<TarEntry[]> {
  const applets = (await output(["/bin/busybox", "--list-full"])).trim().split("\n");
  return busyboxEntries(await Deno.readFile("/bin/busybox"), applets);
}

/** A program and the libraries that it loads. @param at Where it stands in the image. Default: where it stands here. */
export async function dynamicProgram(path: string, at = path): Promise<TarEntry[]> {
  const libraries = (await output(["ldd", path])).split(/\s+/).filter((word) =>
    word.startsWith("/")
  );
  const loaded = await Promise.all(libraries.map((each) => programFile(each, each)));
  return [await programFile(at, path), ...loaded];
}

function folders(entries: readonly TarEntry[], known: readonly TarEntry[]): TarEntry[] {
  const have = new Set(known.map(({ path }) => path));
  const wanted = entries.flatMap(({ path }) => {
    const parts = path.split("/").slice(0, -1);
    return parts.map((_, at) => parts.slice(0, at + 1).join("/") + "/");
  });
  return [...new Set(wanted)].filter((path) => !have.has(path)).sort()
    .map((path) => ({ kind: "directory", path, mode: 0o755 }));
}

/** A layer with more entries, and with folders for them; they take the place of entries of the same path. */
export function withEntries(layer: readonly TarEntry[], added: readonly TarEntry[]): TarEntry[] {
  const unique = [...new Map(added.map((entry) => [entry.path, entry])).values()];
  const replaced = new Set(unique.map(({ path }) => path));
  const kept = layer.filter(({ path }) => !replaced.has(path));
  return [...kept, ...folders(unique, kept), ...unique];
}
