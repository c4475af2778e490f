/** Turns one C file into a static executable, or a library to preload, as small as the compiler can make it. */
import { output } from "./command.ts";
import { sha256 } from "./hash.ts";
import { ROOT } from "./paths.ts";

const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const PROGRAM_FLAGS = [
  ...["-std=c11", "-Os", "-static", "-s", ...WARNINGS],
  ...["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"],
];
const LIBRARY_FLAGS = ["-std=c11", "-Os", "-shared", "-fPIC", "-s", ...WARNINGS];

function flagsFor(path: string): readonly string[] {
  return path.endsWith(".so") ? LIBRARY_FLAGS : PROGRAM_FLAGS;
}

/** Hash of all that goes into the file `path`; a new compiler alone makes nothing new. */
export async function cProgramKey(source: string, path: string): Promise<string> {
  const text = await Deno.readTextFile(`${ROOT}/${source}`);
  return await sha256(`${flagsFor(path).join(" ")}\n${text}`);
}

/**
 * Compiles `source`, relative to the top folder, into `path`, which appears whole or not at all: an executable, or a
 * library where the name ends in `.so`.
 */
export async function compileC(source: string, path: string): Promise<void> {
  const partial = `${path}.partial`;
  await output(["gcc", ...flagsFor(path), "-o", partial, `${ROOT}/${source}`]);
  await Deno.rename(partial, path);
}
