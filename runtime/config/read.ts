import { parse } from "@std/toml";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { checkValue, isValue, quoted, sameValue } from "./check.ts";
import {
  type Alias,
  type Key,
  type SectionName,
  type Supported,
  type Value,
  VMM_NAMES,
  type VmmName,
} from "./schema/key.ts";
import { SCHEMA } from "./schema/schema.ts";
import { fault, type Origin, type Source } from "./source.ts";
import { nearest } from "./suggest.ts";

/** One key as a file sets it, checked; a key's other spelling appears as the key itself. */
export interface Setting {
  readonly section: SectionName;
  readonly key: string;
  readonly spec: Supported<Value>;
  readonly value: Value;
  /** The VMM whose table it stands in. */
  readonly vmm?: VmmName | undefined;
  readonly origin: Origin;
}

/** What one file says. */
export interface Document {
  readonly settings: readonly Setting[];
  /** VMMs that have a table, with the place of each. */
  readonly vmms: ReadonlyMap<VmmName, Origin>;
}

/** VMMs of the original that have no driver here. */
const FOREIGN_VMMS = ["acrn", "dragonball", "openvmm", "stratovirt"];

type Table = Readonly<Record<string, unknown>>;

/**
 * Parses one file and checks each key by itself; whether paths exist is left to the loader.
 * @throws {RuntimeError} InvalidArgument, naming file, line and key.
 */
export function readDocument(source: Source): Document {
  const reader = new Reader(source);
  reader.document(parseToml(source));
  return reader;
}

/** Names a parser may assign through to the prototype of all objects, as @std/toml 1.0 does. */
const POISON = /__proto__|\\u005f|\\U0000005f/i;

function parseToml(source: Source): Table {
  refusePoison(source);
  try {
    return parse(withoutComments(source.text));
  } catch (error) {
    const [what = ""] = messageOf(error).split("\n");
    throw faultAt(source, lineOf(error), what);
  }
}

function refusePoison(source: Source): void {
  const poison = POISON.exec(source.text);
  if (poison === null) return;
  const line = source.text.slice(0, poison.index).split("\n").length;
  throw faultAt(source, line, `"${poison[0]}" is not allowed`);
}

function faultAt({ name }: Source, line: number | string | undefined, what: string): RuntimeError {
  const place = line === undefined ? `"${name}"` : `"${name}" line ${line}`;
  return new RuntimeError(Code.InvalidArgument, `${place}: ${what}`);
}

/**
 * A TOML text with its comment lines emptied: the file that we ship is comments for the most part, and a parser takes
 * longer over them than over all the rest of a start's configuration. Texts with long strings, in which a line that
 * begins with `#` may be no comment, stay as they are.
 */
export function withoutComments(text: string): string {
  return /"""|'''/.test(text) ? text : text.replace(/(^|\n)[ \t]*#[^\n\r]*/g, "$1");
}

/** The line that a TOML parser names: in its message, as @std/toml does, or as a property of the error. */
function lineOf(error: unknown): string | number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { cause } = error;
  if (typeof cause === "object" && cause && "line" in cause && typeof cause.line === "number") {
    return cause.line;
  }
  return /line (\d+)/.exec(error.message)?.[1];
}

class Reader implements Document {
  readonly settings: Setting[] = [];
  readonly vmms = new Map<VmmName, Origin>();
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  document(tables: Table): void {
    for (const [name, value] of Object.entries(tables)) {
      switch (name) {
        case "hypervisor":
          this.#hypervisors(this.#table([name], value));
          break;
        case "agent":
          this.#agents(this.#table([name], value));
          break;
        case "runtime":
        case "factory":
          this.#section(name, [name], this.#table([name], value));
          break;
        default:
          throw this.#unknownSection([name], value, ["hypervisor", "agent", "runtime", "factory"]);
      }
    }
  }

  #hypervisors(tables: Table): void {
    for (const [name, value] of Object.entries(tables)) {
      const path = ["hypervisor", name];
      const vmm = VMM_NAMES.find((known) => known === name);
      if (FOREIGN_VMMS.includes(name)) {
        throw this.#fault(path, `[hypervisor.${name}] is refused: that VMM has no driver`);
      }
      if (vmm === undefined) throw this.#unknownSection(path, value, VMM_NAMES);
      const { factory, ...keys } = this.#table(path, value);
      this.vmms.set(vmm, { source: this.#source, path });
      this.#section("hypervisor", path, keys, vmm);
      const inner = [...path, "factory"];
      if (factory !== undefined) {
        this.#section("hypervisor.factory", inner, this.#table(inner, factory), vmm);
      }
    }
  }

  #agents(tables: Table): void {
    for (const [name, value] of Object.entries(tables)) {
      const path = ["agent", name];
      if (name !== "kata") throw this.#unknownSection(path, value, ["kata"]);
      const { mem_agent, ...keys } = this.#table(path, value);
      this.#section("agent", path, keys);
      const inner = [...path, "mem_agent"];
      if (mem_agent !== undefined) {
        this.#section("agent.mem_agent", inner, this.#table(inner, mem_agent));
      }
    }
  }

  #section(section: SectionName, path: readonly string[], keys: Table, vmm?: VmmName): void {
    const specs = SCHEMA[section];
    for (const [key, raw] of Object.entries(keys)) {
      const value = typeof raw === "bigint" ? Number(raw) : raw;
      const spec = Object.hasOwn(specs, key) ? specs[key] : undefined;
      if (spec === undefined) throw this.#unknownKey(path, key, Object.keys(specs));
      this.#setting({ section, key, spec, value, path: [...path, key], vmm });
    }
  }

  #setting({ section, key, spec, value, path, vmm }: Found): void {
    if (spec.status === "refused") return this.#refuse(path, spec.accepts, spec.doc, value);
    const target = spec.status === "alias" ? targetOf(spec) : { section, key, spec };
    const checked = checkValue(target.spec, value);
    if ("problem" in checked) throw this.#fault(path, `${key} ${checked.problem}`);
    if (vmm && spec.only && !spec.only.includes(vmm)) {
      return this.#refuse(
        path,
        [target.spec.default],
        `it is for ${spec.only.join(" and ")} only`,
        checked.value,
      );
    }
    this.settings.push({
      ...target,
      value: checked.value,
      vmm,
      origin: { source: this.#source, path },
    });
  }

  #refuse(
    path: readonly string[],
    accepts: readonly Value[],
    reason: string,
    value: unknown,
  ): void {
    if (isValue(value) && accepts.some((accepted) => sameValue(accepted, value))) return;
    throw this.#fault(path, `${path.at(-1)} is refused: ${reason}`);
  }

  #table(path: readonly string[], value: unknown): Table {
    if (
      typeof value === "object" && value !== null && !Array.isArray(value) &&
      !(value instanceof Date)
    ) {
      return { ...value };
    }
    throw this.#fault(path, `${path.join(".")} must be a table`);
  }

  #unknownSection(path: readonly string[], value: unknown, known: readonly string[]): RuntimeError {
    const kind = typeof value === "object" ? "section" : "key";
    const name = path.at(-1) ?? "";
    const nearby = nearest(name, known);
    const hint = nearby === undefined
      ? ""
      : ` (did you mean "${[...path.slice(0, -1), nearby].join(".")}"?)`;
    return this.#fault(path, `unknown ${kind} ${quoted(path.join("."))}${hint}`);
  }

  #unknownKey(path: readonly string[], key: string, known: readonly string[]): RuntimeError {
    const nearby = nearest(key, known);
    const hint = nearby === undefined ? "" : ` (did you mean "${nearby}"?)`;
    return this.#fault([...path, key], `unknown key ${quoted(key)} in [${path.join(".")}]${hint}`);
  }

  #fault(path: readonly string[], problem: string): RuntimeError {
    return fault({ source: this.#source, path }, problem);
  }
}

interface Found {
  readonly section: SectionName;
  readonly key: string;
  readonly spec: Key;
  readonly value: unknown;
  readonly path: readonly string[];
  readonly vmm?: VmmName | undefined;
}

function targetOf(
  { of: [section, key] }: Alias,
): { section: SectionName; key: string; spec: Supported<Value> } {
  const spec = SCHEMA[section][key];
  if (spec?.status !== "supported") {
    throw new Error(`The schema's [${section}] ${key} is no key to stand for`);
  }
  return { section, key, spec };
}
