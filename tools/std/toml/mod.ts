/**
 * Stand-in for `@std/toml` over smol-toml, for machines that cannot reach its registry.
 * Only what the project calls, behaving as std documents it.
 * @module
 */
import { parse as parseToml, stringify as stringifyToml, TomlDate } from "smol-toml";

/** std returns plain objects, Dates, and local times as text. */
function plain(value: unknown): unknown {
  if (value instanceof TomlDate) return value.isTime() ? value.toISOString() : new Date(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/**
 * Reads a TOML text.
 * @throws {SyntaxError} The text is not TOML.
 */
export function parse(tomlString: string): Record<string, unknown> {
  try {
    return plain(parseToml(tomlString)) as Record<string, unknown>;
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Writes an object as a TOML text. */
export function stringify(object: Record<string, unknown>): string {
  return stringifyToml(object);
}
