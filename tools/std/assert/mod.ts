/**
 * Stand-in for `@std/assert` over node:assert, for machines that cannot reach its registry.
 * Only what the project calls, behaving as std documents it.
 * @module
 */
import nodeAssert from "node:assert/strict";

export { AssertionError } from "node:assert";

// deno-lint-ignore no-explicit-any -- std's own signature: constructors of any arguments.
type ErrorClass<E> = abstract new (...args: any[]) => E;

function raise(message: string, msg?: string): never {
  throw new nodeAssert.AssertionError({
    message: msg === undefined ? message : `${message}: ${msg}`,
  });
}

/** Throws unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) raise(msg);
}

function isRecord(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** A copy in which objects without a prototype have Object's: std takes both for equal. */
function withPrototypes(value: unknown, seen = new Map<unknown, unknown>()): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (!Array.isArray(value) && !isRecord(value)) return value;
  if (seen.has(value)) return seen.get(value);
  const copy: Record<PropertyKey, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  seen.set(value, copy);
  for (const key of Reflect.ownKeys(value)) {
    if (Array.isArray(value) && key === "length") continue;
    Object.defineProperty(copy, key, {
      value: withPrototypes(Reflect.get(value, key), seen),
      enumerable: Object.prototype.propertyIsEnumerable.call(value, key),
      configurable: true,
      writable: true,
    });
  }
  if (Array.isArray(copy) && Array.isArray(value)) copy.length = value.length;
  return copy;
}

/** Throws unless both are equal in structure. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    nodeAssert.deepStrictEqual(withPrototypes(actual), withPrototypes(expected));
  } catch (error) {
    raise(error instanceof Error ? error.message : String(error), msg);
  }
}

/** Throws if both are equal in structure. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    nodeAssert.notDeepStrictEqual(withPrototypes(actual), withPrototypes(expected));
  } catch (error) {
    raise(error instanceof Error ? error.message : String(error), msg);
  }
}

/** Throws unless both are the same value. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) raise(`Expected ${actual} to be ${expected} itself`, msg);
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    raise(`Expected actual: "${actual}" to contain: "${expected}"`, msg);
  }
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) raise(`Expected actual: "${actual}" to match: "${expected}"`, msg);
}

/** Throws unless `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) raise(`Expect ${actual} < ${expected}`, msg);
}

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E> | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): E {
  if (errorClass !== undefined) {
    if (!(error instanceof Error)) raise(`A non-Error object was thrown: ${error}`, msg);
    if (!(error instanceof errorClass)) {
      raise(
        `Expected error to be instance of "${errorClass.name}", but was "${error.name}" (${error})`,
        msg,
      );
    }
    if (msgIncludes !== undefined) assertStringIncludes(error.message, msgIncludes, msg);
  }
  return error as E;
}

/**
 * Throws unless `fn` throws, an `errorClass` whose message holds `msgIncludes` where these are given.
 * @returns What it threw.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, errorClass, msgIncludes, msg);
  }
  raise("Expected function to throw", msg);
}

/**
 * Throws unless the promise of `fn` rejects; see {@linkcode assertThrows}.
 * @returns What it rejected with.
 */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    raise(`Function throws when expected to reject: ${error}`, msg);
  }
  try {
    await promise;
  } catch (error) {
    return checkError(error, errorClass, msgIncludes, msg);
  }
  raise("Expected function to reject", msg);
}
