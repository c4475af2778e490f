/** Where a key or a table header stands in a TOML text; lines count from 1. */
export interface KeyLine {
  readonly path: readonly string[];
  readonly line: number;
}

/** Ends a bare value. */
const BARE_END = new Set([",", "]", "}", "\n", "#"]);

/** Deepest nesting of arrays and inline tables that is followed. */
const MAX_DEPTH = 64;

/**
 * Line of the key or table with this path, or of the first thing inside a table that no header names.
 * `@std/toml` gives values without positions; this reads the text a second time, only to word an error.
 */
export function locate(text: string, path: readonly string[]): number | undefined {
  const lines = keyLines(text);
  const within = (entry: KeyLine): boolean => path.every((part, at) => entry.path[at] === part);
  const exact = lines.find((entry) => entry.path.length === path.length && within(entry));
  return (exact ?? lines.find(within))?.line;
}

/** Every key and table header of a text in TOML 1.0, in order. What is no TOML is skipped, never thrown on. */
export function keyLines(text: string): KeyLine[] {
  return new Scanner(text).document();
}

class Scanner {
  readonly #text: string;
  readonly #found: KeyLine[] = [];
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  document(): KeyLine[] {
    let table: readonly string[] = [];
    for (;;) {
      this.#skipBlank(true);
      if (this.#at >= this.#text.length) return this.#found;
      if (this.#peek() === "[") table = this.#header();
      else this.#assignment(table, 0);
      this.#skipLine();
    }
  }

  #header(): readonly string[] {
    while (this.#peek() === "[") this.#next();
    const line = this.#line;
    const path = this.#dottedKey();
    this.#found.push({ path, line });
    return path;
  }

  #assignment(table: readonly string[], depth: number): void {
    const line = this.#line;
    const path = [...table, ...this.#dottedKey()];
    if (this.#peek() !== "=") return;
    this.#next();
    this.#found.push({ path, line });
    this.#skipBlank(false);
    this.#value(path, depth);
  }

  #dottedKey(): string[] {
    const parts: string[] = [];
    do {
      if (parts.length > 0) this.#next();
      this.#skipBlank(false);
      parts.push(this.#keyPart());
      this.#skipBlank(false);
    } while (this.#peek() === ".");
    return parts;
  }

  #keyPart(): string {
    const quote = this.#peek();
    const start = this.#at;
    if (quote !== '"' && quote !== "'") {
      while (/[A-Za-z0-9_-]/.test(this.#peek())) this.#next();
      return this.#text.slice(start, this.#at);
    }
    this.#string();
    return unquote(this.#text.slice(start, this.#at));
  }

  #value(path: readonly string[], depth: number): void {
    const first = this.#peek();
    if (first === '"' || first === "'") this.#string();
    else if (first === "[" && depth < MAX_DEPTH) this.#array(path, depth + 1);
    else if (first === "{" && depth < MAX_DEPTH) this.#inlineTable(path, depth + 1);
    else while (this.#at < this.#text.length && !BARE_END.has(this.#peek())) this.#next();
  }

  #array(path: readonly string[], depth: number): void {
    this.#next();
    for (let index = 0; this.#at < this.#text.length; index++) {
      this.#skipBlank(true);
      const before = this.#at;
      if (this.#peek() !== "]") this.#value([...path, String(index)], depth);
      this.#skipBlank(true);
      if (this.#closes("]", before)) return;
    }
  }

  #inlineTable(path: readonly string[], depth: number): void {
    this.#next();
    while (this.#at < this.#text.length) {
      this.#skipBlank(true);
      const before = this.#at;
      if (this.#peek() !== "}") this.#assignment(path, depth);
      this.#skipBlank(true);
      if (this.#closes("}", before)) return;
    }
  }

  /** Steps over a comma or the closing bracket; over anything else too if nothing was read, so that scanning ends. */
  #closes(bracket: string, before: number): boolean {
    const next = this.#peek();
    if (next === bracket || next === "," || this.#at === before) this.#next();
    return next === bracket;
  }

  #string(): void {
    const quote = this.#peek();
    const long = this.#text.startsWith(quote.repeat(3), this.#at);
    this.#skip(long ? 3 : 1);
    while (this.#at < this.#text.length) {
      if (quote === '"' && this.#peek() === "\\") this.#skip(2);
      else if (!long && this.#peek() === "\n") return;
      else if (this.#text.startsWith(long ? quote.repeat(3) : quote, this.#at)) {
        return this.#closeString(quote, long);
      } else this.#next();
    }
  }

  /** A long string may end with up to two quotes of its own before the closing three. */
  #closeString(quote: string, long: boolean): void {
    this.#skip(long ? 3 : 1);
    for (let extra = 0; long && extra < 2 && this.#peek() === quote; extra++) this.#next();
  }

  #skipBlank(lines: boolean): void {
    for (;;) {
      const next = this.#peek();
      if (next === " " || next === "\t" || next === "\r" || (lines && next === "\n")) this.#next();
      else if (lines && next === "#") this.#skipLine();
      else return;
    }
  }

  /** To the end of the line, not over it. */
  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #skip(count: number): void {
    for (let step = 0; step < count; step++) this.#next();
  }

  #next(): void {
    if (this.#peek() === "\n") this.#line++;
    if (this.#at < this.#text.length) this.#at++;
  }
}

/** The text of a quoted key. */
function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1);
  return quoted.startsWith("'")
    ? inner
    : inner.replace(/\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)/g, unescape);
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r" };

function unescape(_match: string, escape: string): string {
  if (escape.length === 1) return ESCAPES[escape] ?? escape;
  const point = parseInt(escape.slice(1), 16);
  return point <= 0x10ffff ? String.fromCodePoint(point) : "";
}
