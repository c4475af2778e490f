/** Assembles the root file system's entries from the manifest. */
import type { Entry } from "./cpio.ts";
import { findInPackages, libraryClosure } from "./libraries.ts";
import { appletLinks, GUEST_DIR, type Manifest, type ProgramItem } from "./manifest.ts";
import type { UnpackedPackage } from "./packages.ts";

/** Everything that the manifest alone does not hold. */
export interface TreeInputs {
  readonly manifest: Manifest;
  readonly packages: readonly UnpackedPackage[];
  readonly init: Uint8Array;
  readonly agent: Uint8Array;
  /** Further entries: kernel modules, the agent's code cache. */
  readonly extra: readonly Entry[];
}

/** @throws {Error} Naming the file or library that is missing, and from which package. */
export function rootEntries(inputs: TreeInputs): Entry[] {
  const { manifest, packages } = inputs;
  const programs = [
    ...manifest.programs.flatMap((program) => programEntries(program, packages)),
    executable(manifest.agent.path, inputs.agent),
    executable(manifest.init.path, inputs.init),
  ];
  const libraries = libraryClosure(programs, findInPackages(packages.map(({ root }) => root)));
  return withFolders([...ownEntries(manifest), ...programs, ...libraries, ...inputs.extra]);
}

function ownEntries(manifest: Manifest): Entry[] {
  return [
    ...manifest.directories.map(({ path, mode }): Entry => ({
      kind: "directory",
      path,
      mode: octal(mode ?? "0755"),
    })),
    ...manifest.devices.map((device): Entry => ({
      kind: "device",
      ...device,
      mode: octal(device.mode),
    })),
    ...[...manifest.symlinks, ...appletLinks(manifest.applets)].map(symlink),
    ...manifest.files.map(({ path, source }): Entry => ({
      kind: "file",
      path,
      mode: 0o644,
      data: Deno.readFileSync(GUEST_DIR + source),
    })),
  ];
}

function programEntries(program: ProgramItem, packages: readonly UnpackedPackage[]): Entry[] {
  const root = packages.find(({ name }) => name === program.debian)?.root;
  if (root === undefined) throw new Error(`Package "${program.debian}" has not been unpacked`);
  const files = program.files.flatMap(({ path, from }) => copyEntries(`${root}/${from}`, path));
  return [...files, ...(program.aliases ?? []).map(symlink)];
}

/** A file, or a folder's files; links inside a package are followed. */
function copyEntries(source: string, path: string): Entry[] {
  const info = Deno.statSync(source);
  if (info.isDirectory) {
    return [...Deno.readDirSync(source)].flatMap(({ name }) =>
      copyEntries(`${source}/${name}`, `${path}/${name}`)
    );
  }
  return [{
    kind: "file",
    path,
    mode: (info.mode ?? 0o644) & 0o755,
    data: Deno.readFileSync(source),
  }];
}

/** Adds the folders that entries lie in and nobody listed. */
export function withFolders(entries: readonly Entry[]): Entry[] {
  const listed = new Set(entries.map(({ path }) => path));
  const missing = new Set(
    entries.flatMap(({ path }) => parents(path)).filter((path) => !listed.has(path)),
  );
  return [
    ...entries,
    ...[...missing].map((path): Entry => ({ kind: "directory", path, mode: 0o755 })),
  ];
}

function parents(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function executable(path: string, data: Uint8Array): Entry {
  return { kind: "file", path, mode: 0o755, data };
}

function symlink({ path, target }: { path: string; target: string }): Entry {
  return { kind: "symlink", path, mode: 0o777, target };
}

function octal(mode: string): number {
  return parseInt(mode, 8);
}
