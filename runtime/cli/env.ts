import { VERSION } from "../../common/base/version.ts";
import { uname } from "../../common/linux/system.ts";
import { effectiveToml } from "../config/render.ts";
import { loadConfig, type RuntimeConfig } from "../config/load.ts";
import { thisHost } from "./check/host.ts";
import { parseFlags } from "./oci/flags.ts";
import type { Globals } from "./oci/globals.ts";
import { SPEC_VERSION } from "./oci/spec.ts";

/** What is in use, by name. */
type Versions = Readonly<Record<string, string>>;

async function versions({ hypervisor }: RuntimeConfig): Promise<Versions> {
  const host = thisHost(Deno.env.get("PATH") ?? "");
  const { release, machine } = uname();
  const said = await host.version(hypervisor.path, ["--version"]);
  return {
    runtime: VERSION,
    oci_specification: SPEC_VERSION,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    kernel: release,
    machine,
    hypervisor: said ?? "does not run",
    program: Deno.execPath(),
  };
}

function toml(title: string, values: Versions): string {
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return [`[${title}]`, ...lines, ""].join("\n");
}

/** Secrets as they are printed, and keys in the names of the file. */
function jsonOf(config: RuntimeConfig): Record<string, unknown> {
  const hidden = config.runtime.jaegerPassword === "" ? "" : "********";
  return { ...config, runtime: { ...config.runtime, jaegerPassword: hidden } };
}

/** `env [--json]`: versions, and the configuration in force. */
export async function env({ config: path }: Globals, args: readonly string[]): Promise<string> {
  const { switches } = parseFlags({ json: { kind: "switch" } }, args);
  const config = loadConfig({ path });
  const known = await versions(config);
  if (switches.has("json")) {
    return JSON.stringify({ versions: known, configuration: jsonOf(config) }, null, 2) + "\n";
  }
  return `${toml("versions", known)}\n${effectiveToml(config)}\n`;
}
