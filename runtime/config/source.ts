import { Code, RuntimeError } from "../../common/base/errors.ts";
import { locate } from "./locate.ts";

/** Longest configuration file, in bytes. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** Most drop-in files that are read. */
export const MAX_DROP_INS = 256;

/** A configuration text and the file it came from. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** The place of one key, for errors. */
export interface Origin {
  readonly source: Source;
  readonly path: readonly string[];
}

/** An error of configuration: `"/etc/x.toml" line 12: <problem>`. */
export function fault(origin: Origin, problem: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, `${placeOf(origin)}: ${problem}`);
}

/** `"/etc/x.toml" line 12` */
export function placeOf({ source, path }: Origin): string {
  const line = locate(source.text, path);
  return line === undefined ? `"${source.name}"` : `"${source.name}" line ${line}`;
}

/**
 * Reads a configuration file.
 * @throws {RuntimeError} NotFound, or InvalidArgument for what is no file, too long or not UTF-8.
 */
export function readSource(name: string): Source {
  try {
    const { isFile, size } = Deno.statSync(name);
    if (!isFile) throw unreadable(name, "it is not a file");
    if (size > MAX_FILE_BYTES) throw unreadable(name, `it is longer than ${MAX_FILE_BYTES} bytes`);
    return {
      name,
      text: new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(name)),
    };
  } catch (error) {
    throw error instanceof RuntimeError ? error : unreadable(name, reasonOf(error));
  }
}

/** The drop-ins of a configuration file, in the order in which they apply: `config.d/*.toml` beside it. */
export function readDropIns(file: string): Source[] {
  const folder = `${file.slice(0, file.lastIndexOf("/") + 1)}config.d`;
  const names = listFolder(folder).filter((name) => name.endsWith(".toml")).sort();
  if (names.length > MAX_DROP_INS) {
    throw unreadable(folder, `it holds more than ${MAX_DROP_INS} drop-ins`);
  }
  return names.map((name) => readSource(`${folder}/${name}`));
}

function listFolder(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw unreadable(folder, reasonOf(error));
  }
}

function unreadable(name: string, why: string): RuntimeError {
  const code = why === MISSING ? Code.NotFound : Code.InvalidArgument;
  return new RuntimeError(code, `Cannot read configuration "${name}": ${why}`);
}

const MISSING = "no such file";

/** Why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return MISSING;
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof TypeError) return "it is not UTF-8 text";
  return error instanceof Error ? error.message : String(error);
}
