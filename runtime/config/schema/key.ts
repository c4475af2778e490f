/** What a configuration key can hold. */
export type Value = string | boolean | number | readonly string[];

/** TOML type of a key; `strings` is an array of strings. */
export type ValueType = "string" | "bool" | "int" | "float" | "strings";

/** VMMs that have a table `[hypervisor.<name>]`. */
export const VMM_NAMES = ["qemu", "clh", "firecracker", "remote"] as const;
export type VmmName = typeof VMM_NAMES[number];

interface Described {
  readonly type: ValueType;
  /** What setting it does: sentences for the administrator. */
  readonly doc: string;
  /** A key of this project; the original has none of this name. */
  readonly ours?: boolean;
  /** VMMs that know the key; absent: all. */
  readonly only?: readonly VmmName[];
}

/** Rules a value must pass beyond its type. */
export interface Rules {
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** Other spellings of a choice, with the choice each stands for. */
  readonly spellings?: Readonly<Record<string, string>>;
  readonly powerOfTwo?: boolean;
  /** Each text is a regular expression. */
  readonly regexp?: boolean;
  /** The text is empty or an absolute path; a `file` must be readable, a `program` executable. */
  readonly path?: "absolute" | "file" | "program";
  /** Never shown when the configuration is printed. */
  readonly secret?: boolean;
}

/** A key that has an effect. */
export interface Supported<T extends Value> extends Described, Rules {
  readonly status: "supported";
  readonly default: T;
  /** Defaults that differ for some VMMs. */
  readonly vmmDefaults?: Readonly<Partial<Record<VmmName, T>>>;
}

/** A key of the original without a meaning here: only values that ask for nothing pass. */
export interface Refused extends Described {
  readonly status: "refused";
  /** Values that pass: the defaults that the original documents or ships. */
  readonly accepts: readonly Value[];
}

/** A second spelling of a key; using both with different values is an error. */
export interface Alias extends Described, Rules {
  readonly status: "alias";
  /** Section and name of the key it stands for. */
  readonly of: readonly [section: SectionName, key: string];
}

/** The sections of the schema; `hypervisor` stands for the table of each VMM. */
export type SectionName =
  | "hypervisor"
  | "hypervisor.factory"
  | "factory"
  | "agent"
  | "agent.mem_agent"
  | "runtime";

export type Key = Supported<Value> | Refused | Alias;
export type Section = Readonly<Record<string, Key>>;

type Options<T extends Value> =
  & Rules
  & Omit<Described, "type" | "doc">
  & Pick<Supported<T>, "vmmDefaults">;

/** A switch. */
export function bool(
  initial: boolean,
  doc: string,
  options: Options<boolean> = {},
): Supported<boolean> {
  return { status: "supported", type: "bool", default: initial, doc, ...options };
}

/** A whole number between `min` (0 if not given) and `max` (2^32 - 1 if not given). */
export function int(
  initial: number,
  doc: string,
  options: Options<number> = {},
): Supported<number> {
  return {
    status: "supported",
    type: "int",
    default: initial,
    doc,
    min: 0,
    max: 2 ** 32 - 1,
    ...options,
  };
}

/** A number between `min` and `max`. */
export function float(
  initial: number,
  doc: string,
  options: Options<number> = {},
): Supported<number> {
  return { status: "supported", type: "float", default: initial, doc, ...options };
}

/** Any text. */
export function text(
  initial: string,
  doc: string,
  options: Options<string> = {},
): Supported<string> {
  return { status: "supported", type: "string", default: initial, doc, ...options };
}

/** An array of texts. */
export function texts(
  initial: readonly string[],
  doc: string,
  options: Options<readonly string[]> = {},
): Supported<readonly string[]> {
  return { status: "supported", type: "strings", default: initial, doc, ...options };
}

/** One word out of `choices`. */
export function choice<const C extends string>(
  initial: C,
  choices: readonly C[],
  doc: string,
  options: Options<C> = {},
): Supported<C> {
  return { status: "supported", type: "string", default: initial, choices, doc, ...options };
}

/** A key of the original that is refused unless it has one of the values `accepts`. */
export function refused(
  accepts: readonly [Value, ...Value[]],
  reason: string,
  only?: readonly VmmName[],
): Refused {
  const type = typeOf(accepts[0]);
  return { status: "refused", type, accepts, doc: reason, ...(only ? { only } : {}) };
}

/** A second spelling of another key. */
export function alias(
  of: Alias["of"],
  type: ValueType,
  doc: string,
  options: Options<Value> = {},
): Alias {
  return { status: "alias", of, type, doc, ...options };
}

function typeOf(value: Value): ValueType {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  return typeof value === "string" ? "string" : "strings";
}

/** `default_vcpus` as `defaultVcpus`. */
export type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The values of a section's supported keys, by camelCase name. */
export type Values<S> = {
  readonly [K in keyof S as S[K] extends Supported<Value> ? CamelCase<K & string> : never]:
    S[K] extends Supported<infer T> ? T : never;
};

/** `default_vcpus` to `defaultVcpus`. */
export function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
