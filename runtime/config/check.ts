import type { Rules, Supported, Value, ValueType } from "./schema/key.ts";
import { reasonOf } from "./source.ts";

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  string: "a string",
  bool: "true or false",
  int: "a whole number",
  float: "a number",
  strings: "an array of strings",
};

/** Whether two values of keys are the same. */
export function sameValue(left: Value, right: unknown): boolean {
  if (!Array.isArray(left)) return left === right;
  return Array.isArray(right) && left.length === right.length &&
    left.every((item, at) => item === right[at]);
}

/** Whether a parsed value has a type that some key can have. */
export function isValue(value: unknown): value is Value {
  return ["string", "boolean", "number"].includes(typeof value) || isTexts(value);
}

/**
 * Checks a value against its key; a choice's other spelling becomes the choice.
 * @returns The value to use, or what is wrong with it: `must be a string, not a number`.
 */
export function checkValue(
  key: Supported<Value>,
  value: unknown,
): { value: Value } | { problem: string } {
  if (!isValue(value) || !hasType(key.type, value)) {
    return { problem: `must be ${TYPE_NAMES[key.type]}, not ${describe(value)}` };
  }
  const chosen = typeof value === "string" && Object.hasOwn(key.spellings ?? {}, value)
    ? key.spellings?.[value] ?? value
    : value;
  const problem = typeof chosen === "number"
    ? numberProblem(key, chosen)
    : textProblem(key, chosen);
  return problem === undefined ? { value: chosen } : { problem };
}

function hasType(type: ValueType, value: Value): boolean {
  switch (type) {
    case "string":
      return typeof value === "string";
    case "bool":
      return typeof value === "boolean";
    case "int":
      return Number.isSafeInteger(value);
    case "float":
      return Number.isFinite(value);
    case "strings":
      return isTexts(value);
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function describe(value: unknown): string {
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) {
    return isTexts(value) ? "an array of strings" : "an array of other things";
  }
  if (typeof value === "string") return "a string";
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" ? String(value) : "a table";
}

function numberProblem(rules: Rules, value: number): string | undefined {
  const { min = -Infinity, max = Infinity, unit } = rules;
  if (value < min || value > max) {
    return `must be ${rangeText(min, max)}${unit ? ` ${unit}` : ""}, not ${value}`;
  }
  if (rules.powerOfTwo && value > 0 && !Number.isInteger(Math.log2(value))) {
    return `must be a power of two, not ${value}`;
  }
  return undefined;
}

function rangeText(min: number, max: number): string {
  if (max === Infinity) return `at least ${min}`;
  return min === -Infinity ? `at most ${max}` : `between ${min} and ${max}`;
}

function textProblem(rules: Rules, value: Value): string | undefined {
  if (typeof value === "boolean" || typeof value === "number") return undefined;
  const parts: readonly string[] = typeof value === "string" ? [value] : value;
  for (const part of parts) {
    const problem = partProblem(rules, part);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function partProblem(rules: Rules, part: string): string | undefined {
  if (hasControlCharacter(part)) return "must not hold control characters";
  if (rules.choices && !rules.choices.includes(part)) {
    return `must be one of ${rules.choices.map((word) => JSON.stringify(word)).join(", ")}, not ${
      quoted(part)
    }`;
  }
  if (rules.path && part !== "" && !part.startsWith("/")) {
    return `must be an absolute path, not ${quoted(part)}`;
  }
  return rules.regexp ? regexpProblem(part) : undefined;
}

/** A text for an error message, cut to a readable length. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
}

function regexpProblem(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch {
    return `must hold regular expressions; ${quoted(pattern)} is none`;
  }
}

function hasControlCharacter(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/** What is wrong with a given path: `cannot be read: no such file`; nothing for an empty one. */
export function pathProblem(rules: Rules, path: string): string | undefined {
  if (path === "" || rules.path === undefined || rules.path === "absolute") return undefined;
  try {
    const { isFile, isDirectory, mode } = Deno.statSync(path);
    if (isDirectory) return "cannot be read: it is a folder";
    if (rules.path === "program") {
      return isFile && (mode ?? 0) & 0o111 ? undefined : "cannot be executed";
    }
    if (isFile) Deno.openSync(path).close();
    return undefined;
  } catch (error) {
    return `cannot be read: ${reasonOf(error)}`;
  }
}
