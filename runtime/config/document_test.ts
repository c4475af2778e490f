import { assert, assertEquals } from "@std/assert";
import { documentedToml } from "./document.ts";
import { buildConfig } from "./load.ts";
import { camelCase } from "./schema/key.ts";
import { SCHEMA } from "./schema/schema.ts";
import { PENDING } from "./pending.ts";

const FILE = Deno.readTextFileSync(new URL("../../config.toml", import.meta.url));
const AROUND = { binaryDir: "/opt/kata", searchPath: "" };

Deno.test("config.toml is the schema, written out (deno run --allow-write runtime/config/document.ts)", () => {
  assertEquals(FILE, documentedToml());
});

Deno.test("config.toml loads to the built-in defaults", () => {
  const { sources: _, ...config } = buildConfig([{ name: "config.toml", text: FILE }], AROUND);
  const { sources: __, ...defaults } = buildConfig([], AROUND);
  assertEquals(config, defaults);
});

Deno.test("config.toml shows each key exactly once, and its default loads when the # is removed", () => {
  const keys = FILE.split("\n").filter((line) => /^#\S/.test(line)).map((line) =>
    line.slice(1).split(" =")[0] ?? ""
  );
  assertEquals(
    keys.toSorted(),
    Object.values(SCHEMA).flatMap((section) => Object.keys(section)).toSorted(),
  );
  // The largest TOML integer is more than some parsers for JavaScript represent.
  const text = FILE.replace(/^#(?!compact_force_times)(\S+ = )/gm, "$1");
  const { sources: _, ...config } = buildConfig([{ name: "config.toml", text }], AROUND);
  const { sources: __, ...defaults } = buildConfig([], AROUND);
  assertEquals(config, defaults);
});

Deno.test("config.toml has no line wider than 120 columns", () => {
  for (const line of FILE.split("\n")) assert(line.length <= 120, line);
});

Deno.test("the schema: defaults pass their own checks and camelCase names are unique", () => {
  for (const section of Object.values(SCHEMA)) {
    const names = Object.keys(section).map(camelCase);
    assertEquals(new Set(names).size, names.length);
  }
  for (const id of PENDING) {
    const at = id.lastIndexOf(".");
    const section = Object.entries(SCHEMA).find(([name]) => name === id.slice(0, at))?.[1] ?? {};
    assertEquals(section[id.slice(at + 1)]?.status, "supported", id);
  }
});
