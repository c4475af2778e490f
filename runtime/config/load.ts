import { Code, RuntimeError } from "../../common/base/errors.ts";
import { pathProblem, quoted, sameValue } from "./check.ts";
import type { AgentConfig, HypervisorConfig, RuntimeConfig } from "./config.ts";
import { deepFreeze } from "./freeze.ts";
import { PENDING, whyRefused } from "./pending.ts";
import { type Document, readDocument, type Setting } from "./read.ts";
import { fillAssets, type Surroundings, surroundings } from "./resolve.ts";
import { firstConfigFile } from "./config_file.ts";
import { AGENT } from "./schema/agent.ts";
import { FACTORY } from "./schema/factory.ts";
import {
  camelCase,
  type Section,
  type SectionName,
  type Supported,
  type Value,
  type Values,
  type VmmName,
} from "./schema/key.ts";
import { RUNTIME } from "./schema/runtime.ts";
import { HYPERVISOR } from "./schema/schema.ts";
import { fault, placeOf, readDropIns, readSource, type Source } from "./source.ts";

export type { AgentConfig, HypervisorConfig, RuntimeConfig } from "./config.ts";

/** Where configuration comes from. */
export interface LoadOptions {
  /** A file that must exist: the `ConfigPath` of a runtime handler, or the command line's. */
  readonly path?: string | undefined;
  /** A text instead of a file: the `ConfigBody` of a runtime handler. Has no drop-ins. */
  readonly body?: string | undefined;
  /** Folder of our own program, for kernel, initrd and the last file of the search; by default the running program's. */
  readonly binaryDir?: string | undefined;
  /** `KATA_CONF_FILE` and `PATH`; by default the process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Reads the configuration: `path` or `body`; else the file that `KATA_CONF_FILE` names; else the first there is of
 * {@linkcode SEARCH} and `config.toml` beside the program; else built-in defaults. Drop-ins follow.
 * @throws {RuntimeError} Naming file, line and key: `"/etc/x.toml" line 12: unknown key "kernl" in [hypervisor.qemu]`.
 */
export function loadConfig(options: LoadOptions = {}): RuntimeConfig {
  const { env, body, path } = options;
  const around = surroundings(options.binaryDir, env ? env.PATH ?? "" : undefined);
  if (body !== undefined) return buildConfig([{ name: "ConfigBody", text: body }], around);
  const named = path || (env ? env.KATA_CONF_FILE : Deno.env.get("KATA_CONF_FILE"));
  return buildConfig(readFiles(named || firstConfigFile(around.binaryDir)), around);
}

function readFiles(file: string | undefined): Source[] {
  return file === undefined ? [] : [readSource(file), ...readDropIns(file)];
}

/**
 * Builds the configuration from texts, later ones winning.
 * @throws {RuntimeError} As {@linkcode loadConfig}.
 */
export function buildConfig(sources: readonly Source[], around: Surroundings): RuntimeConfig {
  const documents = sources.map(readDocument);
  const vmm = selectVmm(documents);
  const chosen = merge(
    documents.flatMap(({ settings }) => settings).filter((it) =>
      it.vmm === undefined || it.vmm === vmm
    ),
  );
  checkPaths(chosen);
  refuseLacking(chosen, vmm);
  const hypervisor = sectionValues<typeof HYPERVISOR>("hypervisor", HYPERVISOR, chosen, vmm);
  return deepFreeze<RuntimeConfig>({
    sources: sources.map(({ name }) => name),
    warnings: warningsOf(chosen, vmm),
    hypervisor: {
      name: vmm,
      ...hypervisor,
      ...fillAssets(vmm, hypervisor, around),
      defaultVcpus: vcpusOf(hypervisor.defaultVcpus),
    } satisfies HypervisorConfig,
    agent: {
      name: "kata",
      ...sectionValues<typeof AGENT>("agent", AGENT, chosen, vmm),
    } satisfies AgentConfig,
    runtime: {
      ...sectionValues<typeof RUNTIME>("runtime", RUNTIME, chosen, vmm),
      hypervisorName: vmm,
    },
    factory: sectionValues<typeof FACTORY>("factory", FACTORY, chosen, vmm),
  });
}

/** 0 means one CPU, a negative number as many as the host lets us use. Source: Kata's `default_vcpus`. */
function vcpusOf(wanted: number): number {
  return wanted < 0 ? navigator.hardwareConcurrency : wanted || 1;
}

/** The VMM that `hypervisor_name` names, otherwise the only one with a table. */
function selectVmm(documents: readonly Document[]): VmmName {
  const named = documents.flatMap(({ settings }) => settings).findLast(({ section, key, value }) =>
    section === "runtime" && key === "hypervisor_name" && value !== ""
  );
  if (named) return named.value as VmmName; // checked against the choices, which are these names
  const tables = new Map(documents.flatMap(({ vmms }) => [...vmms]));
  const [only = "qemu", second] = tables.keys();
  const origin = second && tables.get(second);
  if (!origin) return only;
  const names = [...tables.keys()].map((name) => `[hypervisor.${name}]`).join(", ");
  throw fault(origin, `which of ${names} is meant? Set hypervisor_name in [runtime]`);
}

type Chosen = ReadonlyMap<string, Setting>;

/** The last setting of each key; two spellings in one file must agree. */
function merge(settings: readonly Setting[]): Chosen {
  const chosen = new Map<string, Setting>();
  for (const setting of settings) {
    const id = `${setting.section}.${setting.key}`;
    const before = chosen.get(id);
    if (
      before && before.origin.source === setting.origin.source &&
      !sameValue(before.value, setting.value)
    ) {
      const [other, own] = [before, setting].map(({ origin }) => origin.path.join("."));
      throw fault(setting.origin, `${own} and ${other} mean the same and differ`);
    }
    chosen.set(id, setting);
  }
  return chosen;
}

function checkPaths(chosen: Chosen): void {
  for (const { key, spec, value, origin } of chosen.values()) {
    const problem = typeof value === "string" ? pathProblem(spec, value) : undefined;
    if (problem !== undefined) throw fault(origin, `${key} ${quoted(String(value))} ${problem}`);
  }
  const [initrd, image] = [chosen.get("hypervisor.initrd"), chosen.get("hypervisor.image")];
  if (initrd?.value && image?.value) {
    throw fault(image.origin, "image and initrd cannot both be set");
  }
}

/** @throws {RuntimeError} A key is set that this VMM cannot give its effect. */
function refuseLacking(chosen: Chosen, vmm: VmmName): void {
  for (const [id, { key, spec, value, origin }] of chosen) {
    const reason = whyRefused(id, vmm);
    if (reason === undefined || sameValue(defaultOf(spec, vmm), value)) continue;
    throw fault(origin, `${key} is refused in [hypervisor.${vmm}]: ${reason}`);
  }
}

function warningsOf(chosen: Chosen, vmm: VmmName): string[] {
  const idle = [...chosen].filter(([id, { spec, value }]) =>
    PENDING.has(id) && !sameValue(defaultOf(spec, vmm), value)
  );
  return idle.map(([, { key, origin }]) =>
    `${placeOf(origin)}: ${key} has no effect in this release`
  );
}

/** The default of a key, for a VMM. */
export function defaultOf(spec: Supported<Value>, vmm: VmmName): Value {
  return spec.vmmDefaults?.[vmm] ?? spec.default;
}

function sectionValues<S extends Section>(
  section: SectionName,
  specs: S,
  chosen: Chosen,
  vmm: VmmName,
): Values<S> {
  const values: Record<string, Value> = {};
  for (const [key, spec] of Object.entries(specs)) {
    if (spec.status !== "supported") continue;
    values[camelCase(key)] = chosen.get(`${section}.${key}`)?.value ?? defaultOf(spec, vmm);
  }
  return values as Values<S>; // each value has passed its key's check, which is what the type is inferred from
}

/**
 * Checks that what a VM needs is there, also where the configuration left it to be found.
 * @throws {RuntimeError} NotFound, naming key and path.
 */
export function requireAssets({ hypervisor }: RuntimeConfig): void {
  if (hypervisor.name === "remote") return;
  for (const key of ["path", "kernel", "initrd", "image"] as const) {
    const problem = pathProblem(HYPERVISOR[key], hypervisor[key]);
    if (problem === undefined) continue;
    throw new RuntimeError(
      Code.NotFound,
      `Cannot use ${key} ${
        quoted(hypervisor[key])
      } of [hypervisor.${hypervisor.name}]: it ${problem}`,
    );
  }
}
