/**
 * Helpers for turning protobuf fields into runtime-spec members.
 * In proto3 an unset field arrives as its zero value, so zero means "not said" unless the caller says otherwise.
 */
import type { Int } from "./oci_types.ts";

/** The smallest exact form: a number where it is safe, otherwise the bigint itself. */
export function int(value: bigint): Int {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** {@linkcode int}, but zero is absent. */
export function optionalInt(value: bigint): Int | undefined {
  return value === 0n ? undefined : int(value);
}

/** A list, or nothing where it is empty. */
export function list<T>(values: readonly T[]): T[] | undefined {
  return values.length === 0 ? undefined : [...values];
}

/** A map, or nothing where it is empty. */
export function map(
  values: Record<string, string>,
): Record<string, string> | undefined {
  return Object.keys(values).length === 0 ? undefined : { ...values };
}

type Defined<T> =
  & {
    [K in keyof T as undefined extends T[K] ? never : K]: T[K];
  }
  & {
    [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
  };

/** The same object without the members that are undefined. */
export function defined<T extends object>(value: T): Defined<T> {
  const kept = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(kept) as Defined<T>;
}

/** {@linkcode defined}, or nothing where no member is left. */
export function definedOrNothing<T extends object>(
  value: T,
): Defined<T> | undefined {
  const kept = defined(value);
  return Object.keys(kept).length === 0 ? undefined : kept;
}
