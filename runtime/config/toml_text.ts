import type { Value } from "./schema/key.ts";

/** TOML's largest integer, 2^63 - 1, which a JavaScript number rounds up. */
const LARGEST = "9223372036854775807";

/** A key's value as TOML on one line. */
export function tomlValue(value: Value): string {
  if (typeof value === "string") return tomlString(value);
  if (typeof value === "number") return value >= 2 ** 63 ? LARGEST : String(value);
  if (typeof value === "boolean") return String(value);
  return `[${value.map(tomlString).join(", ")}]`;
}

/** Basic strings: JSON's escapes are TOML's too, but for DEL and lone surrogates, which TOML has no way to write. */
function tomlString(value: string): string {
  return JSON.stringify(value.toWellFormed()).replaceAll("\x7f", "\\u007f");
}
