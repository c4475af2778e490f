/** Finds the shared libraries programs need, and those these need in turn. */
import { Elf, isElf } from "./elf.ts";
import type { Entry } from "./cpio.ts";

/** Where Debian packages keep 64-bit libraries, in the order the loader looks. */
export const LIBRARY_FOLDERS = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"];

/** Opens the file a library's name stands for, following links: undefined when no package has it. */
export type FindLibrary = (name: string) => Uint8Array | undefined;

/**
 * The libraries that these programs need, as files under the folder the loader
 * searches first, so that no ld.so.cache is needed.
 * @throws {Error} Naming the library that no listed package provides, and who needs it.
 */
export function libraryClosure(programs: readonly Entry[], find: FindLibrary): Entry[] {
  const found = new Map<string, Entry>();
  const pending = programs.flatMap(requests);
  for (let request = pending.pop(); request !== undefined; request = pending.pop()) {
    if (found.has(request.name)) continue;
    const data = find(request.name);
    if (data === undefined) {
      throw new Error(
        `"${request.by}" needs "${request.name}", which none of the listed packages holds`,
      );
    }
    const library: Entry = { kind: "file", path: libraryPath(request.name), mode: 0o755, data };
    found.set(request.name, library);
    pending.push(...requests(library));
  }
  return [...found.values()];
}

/** The loader itself is named by an absolute path in every program. */
function libraryPath(name: string): string {
  return `${name.startsWith("ld-linux") ? "lib64" : LIBRARY_FOLDERS[0]}/${name}`;
}

function requests(entry: Entry): { name: string; by: string }[] {
  if (entry.kind !== "file" || !isElf(entry.data)) return [];
  const elf = new Elf(entry.data);
  const loader = elf.interpreter()?.replace(/^.*\//, "");
  const names = loader === undefined ? elf.needed() : [...elf.needed(), loader];
  return names.map((name) => ({ name, by: entry.path }));
}

/** Looks through unpacked packages, first folder first. */
export function findInPackages(roots: readonly string[]): FindLibrary {
  return (name) => {
    for (const folder of LIBRARY_FOLDERS) {
      for (const root of roots) {
        const bytes = readIfFile(`${root}/${folder}/${name}`);
        if (bytes !== undefined) return bytes;
      }
    }
    return undefined;
  };
}

function readIfFile(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
