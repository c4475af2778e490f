import { Code, RuntimeError } from "../../common/base/errors.ts";
import { PREFIX, type Target, targetOf } from "./annotation_names.ts";
import { checkValue, pathProblem, quoted, sameValue } from "./check.ts";
import type { HypervisorConfig, RuntimeConfig } from "./config.ts";
import { deepFreeze } from "./freeze.ts";
import { globMatches } from "./glob.ts";
import { fillAssets, surroundings } from "./resolve.ts";
import { camelCase, type Key, type Supported, type Value, type ValueType } from "./schema/key.ts";
import { SCHEMA } from "./schema/schema.ts";

/** Longest value of an annotation, in characters. Kubernetes allows 256 KiB for all of them. */
const MAX_VALUE = 64 * 1024;

type KeyTarget = Exclude<Target, { refused: string }>;
type Changes = Record<"hypervisor" | "agent" | "runtime" | "factory", Record<string, Value>>;

/**
 * Applies a pod's annotations `io.katacontainers.config.<section>.<name>`; all others are left alone. Those of the
 * hypervisor, and those of the runtime that reach beyond the VM (as `runtime.<name>`), must be matched in whole by a
 * pattern of `enable_annotations`; those that name programs or devices also by a glob of their `valid_...` key.
 * @returns A frozen configuration; the one given when no annotation concerns it.
 * @throws {RuntimeError} InvalidArgument or PermissionDenied, naming the annotation.
 */
export function applyAnnotations(
  config: RuntimeConfig,
  annotations: Readonly<Record<string, string>>,
): RuntimeConfig {
  const names = Object.keys(annotations).filter((name) => name.startsWith(PREFIX)).sort();
  if (names.length === 0) return config;
  const changes: Changes = { hypervisor: {}, agent: {}, runtime: {}, factory: {} };
  for (const name of names) applyOne(config, changes, name, annotations[name] ?? "");
  chooseRootfs(changes.hypervisor);
  return deepFreeze<RuntimeConfig>({
    ...config,
    hypervisor: withHelpers({ ...config.hypervisor, ...changes.hypervisor }, changes.hypervisor),
    agent: { ...config.agent, ...changes.agent },
    runtime: { ...config.runtime, ...changes.runtime },
    factory: { ...config.factory, ...changes.factory },
  });
}

/** Looks for the helper programs that another share or transport needs. */
function withHelpers(hypervisor: HypervisorConfig, changed: object): HypervisorConfig {
  if (!("sharedFs" in changed || "transport" in changed)) return hypervisor;
  return { ...hypervisor, ...fillAssets(hypervisor.name, hypervisor, surroundings()) };
}

function applyOne(config: RuntimeConfig, changes: Changes, name: string, text: string): void {
  const target = targetOf(name.slice(PREFIX.length));
  if (target === undefined) throw refusal(name, "it is unknown");
  if ("refused" in target) throw refusal(name, target.refused);
  const spec = SCHEMA[target.section][target.key];
  if (spec === undefined || spec.status === "alias") throw refusal(name, "it is unknown");
  checkEnabled(config, name, target);
  const value = parse(name, spec.type, text);
  if (spec.status === "refused") return checkAccepted(name, spec.accepts, spec.doc, value);
  const { values, section } = sectionOf(changes, config, target);
  const field = camelCase(target.key);
  values[field] = combine(
    target.key,
    section[field],
    checkedValue(config, name, target, spec, value),
  );
}

/** Changes to a section, and the section as it is. */
function sectionOf(
  changes: Changes,
  config: RuntimeConfig,
  { section }: KeyTarget,
): { values: Record<string, Value>; section: Readonly<Record<string, Value>> } {
  if (
    section === "hypervisor" || section === "agent" || section === "runtime" ||
    section === "factory"
  ) {
    return { values: changes[section], section: config[section] };
  }
  throw new Error(`No annotation changes [${section}]`);
}

/** Kernel parameters add to the configured ones, as in the original; other values replace. */
function combine(key: string, before: Value | undefined, value: Value): Value {
  return key === "kernel_params" && before ? `${before} ${value}` : value;
}

function checkEnabled({ hypervisor }: RuntimeConfig, name: string, { enabledAs }: KeyTarget): void {
  if (enabledAs === undefined) return;
  const enabled = hypervisor.enableAnnotations.some((pattern) =>
    new RegExp(`^(?:${pattern})$`).test(enabledAs)
  );
  if (enabled) return;
  const table = `[hypervisor.${hypervisor.name}]`;
  throw new RuntimeError(
    Code.PermissionDenied,
    `Annotation "${name}" is not allowed: enable_annotations in ${table} does not name "${enabledAs}"`,
  );
}

function checkAccepted(
  name: string,
  accepts: readonly Value[],
  reason: string,
  value: Value,
): void {
  if (!accepts.some((accepted) => sameValue(accepted, value))) throw refusal(name, reason);
}

function checkedValue(
  config: RuntimeConfig,
  name: string,
  { guard }: KeyTarget,
  spec: Supported<Value>,
  raw: Value,
): Value {
  const { hypervisor } = config;
  if (spec.only && !spec.only.includes(hypervisor.name)) {
    throw refusal(name, `it is for ${spec.only.join(" and ")} only`);
  }
  const checked = checkValue(spec, raw);
  if ("problem" in checked) throw refusal(name, `it ${checked.problem}`);
  const { value } = checked;
  if (spec.path === undefined || typeof value !== "string") return value;
  if (guard !== undefined) checkGuard(config, name, guard, value);
  const problem = value === "" ? "must not be empty" : pathProblem(spec, value);
  if (problem !== undefined) throw refusal(name, `${quoted(value)} ${problem}`);
  return value;
}

function checkGuard(
  { hypervisor }: RuntimeConfig,
  name: string,
  guard: string,
  path: string,
): void {
  const values: Readonly<Record<string, Value>> = hypervisor;
  const globs = values[camelCase(guard)];
  if (Array.isArray(globs) && globs.some((glob) => globMatches(glob, path))) return;
  throw new RuntimeError(
    Code.PermissionDenied,
    `Annotation "${name}" is not allowed: ${guard} in [hypervisor.${hypervisor.name}] does not allow ${
      quoted(path)
    }`,
  );
}

/** An annotation that names an image replaces a configured initrd, and the other way round. */
function chooseRootfs(hypervisor: Record<string, Value>): void {
  if (hypervisor.image && hypervisor.initrd) {
    throw refusal(`${PREFIX}hypervisor.image`, "initrd is set by an annotation too");
  }
  if (hypervisor.image) hypervisor.initrd = "";
  if (hypervisor.initrd) hypervisor.image = "";
}

function parse(name: string, type: Key["type"], text: string): Value {
  if (text.length > MAX_VALUE) throw refusal(name, `it is longer than ${MAX_VALUE} characters`);
  const value = PARSERS[type](text);
  if (value === undefined) throw refusal(name, `${quoted(text)} is not ${WANTED[type]}`);
  return value;
}

const PARSERS: Readonly<Record<ValueType, (text: string) => Value | undefined>> = {
  string: (text) => text,
  bool: (text) => text === "true" ? true : text === "false" ? false : undefined,
  int: (text) => /^\d{1,16}$/.test(text) ? Number(text) : undefined,
  float: (text) => /^\d{1,16}(\.\d{1,16})?$/.test(text) ? Number(text) : undefined,
  strings: parseTexts,
};

const WANTED: Readonly<Record<ValueType, string>> = {
  string: "a text",
  bool: "true or false",
  int: "a whole number",
  float: "a number",
  strings: "a list: a JSON array of strings, or texts separated by semicolons",
};

/** Source: the original's annotations: `virtio_fs_extra_args` is a JSON array, `kernel_modules` has semicolons. */
function parseTexts(text: string): readonly string[] | undefined {
  if (!text.trimStart().startsWith("[")) {
    return text.split(";").map((part) => part.trim()).filter((part) => part !== "");
  }
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
  } catch {
    return undefined; // the caller words the error
  }
}

function refusal(name: string, why: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, `Annotation ${quoted(name)} is refused: ${why}`);
}
