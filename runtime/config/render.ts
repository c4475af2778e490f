import type { RuntimeConfig } from "./config.ts";
import { camelCase, type Section, type Value } from "./schema/key.ts";
import { AGENT } from "./schema/agent.ts";
import { FACTORY } from "./schema/factory.ts";
import { RUNTIME } from "./schema/runtime.ts";
import { HYPERVISOR } from "./schema/schema.ts";
import { tomlValue } from "./toml_text.ts";

/** What a secret is printed as. */
const HIDDEN = "********";

/**
 * The configuration in force as TOML that loads again to the same configuration, secrets apart: every key that the
 * selected VMM knows, with the value in use.
 */
export function effectiveToml(config: RuntimeConfig): string {
  const { sources, hypervisor, agent, runtime, factory } = config;
  const from = sources.length === 0
    ? ["# Built-in defaults."]
    : sources.map((name) => `# From ${JSON.stringify(name)}.`);
  const known = Object.entries(HYPERVISOR).filter(([, key]) => knows(key.only, hypervisor.name));
  return [
    ...from,
    table(`hypervisor.${hypervisor.name}`, Object.fromEntries(known), hypervisor),
    table("factory", FACTORY, factory),
    table("agent.kata", AGENT, agent),
    table("runtime", RUNTIME, runtime),
  ].join("\n");
}

function knows(only: readonly string[] | undefined, vmm: string): boolean {
  return only === undefined || only.includes(vmm);
}

function table(name: string, specs: Section, values: Readonly<Record<string, Value>>): string {
  const lines = [`\n[${name}]`];
  for (const [key, spec] of Object.entries(specs)) {
    const value = values[camelCase(key)];
    if (spec.status !== "supported" || value === undefined) continue;
    lines.push(`${key} = ${tomlValue(spec.secret && value !== "" ? HIDDEN : value)}`);
  }
  return lines.join("\n");
}
