import { OciError } from "./oci_error.ts";

/** What a flag takes: nothing, a word, or a word each time it is given. */
export type FlagKind = "switch" | "word" | "words";

/** The flags of a command by their long name; `short` names stand for them. */
export interface FlagTable {
  readonly [name: string]: { readonly kind: FlagKind; readonly short?: string };
}

/** The flags that were given. */
export interface Parsed {
  readonly switches: ReadonlySet<string>;
  readonly words: ReadonlyMap<string, readonly string[]>;
  /** What follows the flags. */
  readonly rest: readonly string[];
}

function bare(written: string): string {
  return written.replace(/^--?/, "");
}

function find(table: FlagTable, written: string): [name: string, kind: FlagKind] | undefined {
  const word = bare(written);
  const name = table[word]
    ? word
    : Object.keys(table).find((each) => table[each]?.short === word && word !== "");
  const kind = name === undefined ? undefined : table[name]?.kind;
  return name === undefined || kind === undefined ? undefined : [name, kind];
}

function isOn(written: string, value: string | undefined): boolean {
  if (value === undefined || value === "true") return true;
  if (value === "false") return false;
  throw new OciError(`invalid boolean value "${value}" for ${written}`);
}

/**
 * Reads flags up to the first word that is none, or behind `--`: as runc and crun do. One dash or two, the value in
 * the next word or after `=`.
 * @throws {OciError} Naming the flag.
 */
export function parseFlags(table: FlagTable, args: readonly string[]): Parsed {
  const switches = new Set<string>();
  const words = new Map<string, string[]>();
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") {
      at++;
      break;
    }
    if (!/^-./.test(word)) break;
    const equals = word.indexOf("=");
    const written = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    const found = find(table, written);
    if (!found) throw new OciError(`flag provided but not defined: -${bare(written)}`);
    const [name, kind] = found;
    if (kind === "switch") {
      if (isOn(written, inline)) switches.add(name);
      else switches.delete(name);
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined) throw new OciError(`flag needs an argument: -${bare(written)}`);
    words.set(name, kind === "words" ? [...words.get(name) ?? [], value] : [value]);
  }
  return { switches, words, rest: args.slice(at) };
}

/** The last value of a flag. */
export function wordOf({ words }: Parsed, name: string): string | undefined {
  return words.get(name)?.at(-1);
}
