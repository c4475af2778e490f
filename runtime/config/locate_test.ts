import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/toml";
import fc from "fast-check";
import { withoutComments } from "./read.ts";
import { keyLines, locate } from "./locate.ts";

const BARE = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const QUOTED = fc.string({ unit: "grapheme-ascii", maxLength: 6 }).map((name) => ({
  name,
  text: JSON.stringify(name),
}));
const LITERAL = fc.stringMatching(/^[ -&(-~]{0,6}$/).map((name) => ({ name, text: `'${name}'` }));
const KEY = fc.oneof(BARE.map((name) => ({ name, text: name })), QUOTED, LITERAL);

/** Values of every kind, some over several lines, some that look like keys and headers. */
const SCALAR = fc.constantFrom(
  "1",
  "-2.5e3",
  "true",
  "1979-05-27T07:32:00Z",
  '"# no comment"',
  "'[no.header]'",
  '"a \\" = b"',
  '"""\nkey = 1\n[header]\n\\""" # "" still inside\n""""',
  "'''\nkey = 1\n[header]\n''''",
  "inf",
);
const VALUE = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, SCALAR, tie("array"), tie("table")),
  array: fc.array(tie("value"), { maxLength: 3 }).map((items) =>
    `[ # [comment]\n${items.join(" ,\n")}\n]`
  ),
  table: fc.uniqueArray(BARE, { maxLength: 3 }).chain((keys) =>
    fc.tuple(...keys.map(() => tie("value"))).map((values) =>
      `{ ${keys.map((key, at) => `${key} = ${values[at]}`).join(", ")} }`
    )
  ),
})).value as fc.Arbitrary<string>;

const NOISE = fc.constantFrom("", "# a = 1", "   ", '\t# """');
const ENTRY = fc.record({
  key: KEY,
  value: VALUE,
  noise: NOISE,
  indent: fc.constantFrom("", "  ", "\t"),
});
const TABLE = fc.record({
  header: fc.array(KEY, { minLength: 1, maxLength: 3 }),
  entries: fc.uniqueArray(ENTRY, { maxLength: 4, selector: ({ key }) => key.name }),
});

interface Written {
  readonly text: string;
  /** Line of each top-level table and of each entry. */
  readonly lines: readonly { path: string[]; line: number }[];
}

function write(
  tables: readonly (typeof TABLE extends fc.Arbitrary<infer T> ? T : never)[],
  newline: string,
): Written {
  const out: string[] = [];
  const lines: { path: string[]; line: number }[] = [];
  tables.forEach(({ header, entries }, at) => {
    const path = [`t${at}`, ...header.map(({ name }) => name)];
    lines.push({ path, line: out.length + 1 });
    out.push(`[ t${at} . ${header.map(({ text }) => text).join(" . ")} ] # = 1`);
    for (const { key, value, noise, indent } of entries) {
      out.push(noise);
      lines.push({ path: [...path, key.name], line: out.length + 1 });
      out.push(...`${indent}${key.text} = ${value} # [x]`.split("\n"));
    }
  });
  return { text: out.join(newline), lines };
}

Deno.test("locate finds the line of every key and header of a random document", () => {
  fc.assert(
    fc.property(
      fc.array(TABLE, { maxLength: 5 }),
      fc.constantFrom("\n", "\r\n"),
      (tables, newline) => {
        const { text, lines } = write(tables, newline);
        for (const { path, line } of lines) {
          assertEquals(
            locate(text, path),
            line,
            `${path.join("/")} in\n${text}`,
          );
        }
      },
    ),
  );
});

Deno.test("locate finds every path that the TOML parser finds", () => {
  fc.assert(fc.property(fc.array(TABLE, { maxLength: 4 }), (tables) => {
    const { text } = write(tables, "\n");
    let data: Record<string, unknown>;
    try {
      data = parse(text);
    } catch {
      return; // inline tables over several lines are not TOML 1.0
    }
    for (const path of pathsOf(data, [])) {
      assert(locate(text, path) !== undefined, `${path.join("/")} in\n${text}`);
    }
  }));
});

function pathsOf(data: object, path: string[]): string[][] {
  return Object.entries(data).flatMap(([key, value]) => {
    const own = [...path, key];
    const inner = typeof value === "object" && value !== null && !Array.isArray(value) &&
      !(value instanceof Date);
    return [own, ...(inner ? pathsOf(value, own) : [])];
  });
}

Deno.test("keyLines ends on any text", () => {
  const hostile = fc.array(fc.constantFrom(..."[]{}=.,#\"'\\\n\r \tab1", '"""', "'''", "\u{1f600}"))
    .map((parts) => parts.join(""));
  fc.assert(fc.property(fc.oneof(hostile, fc.string({ unit: "binary" })), (text) => {
    for (const { line } of keyLines(text)) assert(line >= 1 && line <= text.split("\n").length);
  }));
});

Deno.test("keyLines is not slowed by deep nesting or a megabyte on one line", () => {
  keyLines(`a = ${"[".repeat(500_000)}`);
  keyLines(`a = "${"\\".repeat(1_000_000)}`);
});

Deno.test("locate understands dotted keys, inline tables and arrays of tables", () => {
  const text = 'a.b."c d" = 1\n[x]\ny = { z = 2, w.v = [\n1] }\n[[list]]\nk = 1\n[[list]]\nk = 2';
  assertEquals(locate(text, ["a", "b", "c d"]), 1);
  assertEquals(locate(text, ["a"]), 1);
  assertEquals(locate(text, ["x"]), 2);
  assertEquals(locate(text, ["x", "y", "z"]), 3);
  assertEquals(locate(text, ["x", "y", "w", "v"]), 3);
  assertEquals(locate(text, ["list", "k"]), 6);
  assertEquals(locate(text, ["nothing"]), undefined);
});

Deno.test("withoutComments changes no value and no line number", () => {
  const document = fc.array(TABLE, { maxLength: 4 });
  fc.assert(fc.property(document, fc.constantFrom("\n", "\r\n"), (tables, newline) => {
    const { text } = write(tables, newline);
    const shorter = withoutComments(text);
    assertEquals(shorter.split("\n").length, text.split("\n").length);
    assertEquals(parsed(shorter), parsed(text));
  }));
  assertEquals(withoutComments('# a\n\t # b\nc = "\u2028# d" # e'), '\n\nc = "\u2028# d" # e');
});

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
