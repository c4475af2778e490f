import { messageOf } from "../../../common/base/errors.ts";
import { hasCapability, openFilesLimit } from "../../../common/linux/process_limits.ts";
import { loadConfig, type RuntimeConfig } from "../../config/load.ts";
import type { Globals } from "../oci/globals.ts";
import { parseFlags } from "../oci/flags.ts";
import { withProgress } from "../progress.ts";
import { checkEngines, checkPrograms } from "./programs.ts";
import { type Finding, lacking, pass, type Verdict, verdictOf } from "./finding.ts";
import { type Host, thisHost } from "./host.ts";
import { checkKernel } from "./kernel.ts";
import { checkTemplates } from "./templates.ts";
import { checkVirtualization } from "./virtualization.ts";

/** The exit status for each outcome: scripts tell a host that works with less from one that does not. */
const STATUS: Readonly<Record<Verdict, number>> = { pass: 0, degraded: 0, fail: 1 };
/** With `--strict`, less is not enough. */
const STRICT_DEGRADED = 2;

function privileges(): Finding {
  if (Deno.uid() === 0 && hasCapability("SYS_RESOURCE")) return pass("privileges", "root");
  if (Deno.uid() === 0) {
    return lacking("privileges", "root without CAP_SYS_RESOURCE", {
      verdict: "degraded",
      meaning:
        `no limit can be raised and no oom_score_adj lowered: virtiofsd serves ${openFilesLimit()} files at most`,
      remedy:
        "start the engine with that capability, and with restrict_oom_score_adj = true without",
    });
  }
  return lacking("privileges", `user ${Deno.uid()}`, {
    verdict: "fail",
    meaning: "mounts, namespaces and devices are root's",
    remedy: "run as root, as engines do",
  });
}

function configuration(path: string | undefined): { config?: RuntimeConfig; findings: Finding[] } {
  const name = "configuration";
  try {
    const config = loadConfig({ path });
    const from = config.sources.join(", ") || "built-in defaults";
    const warnings = config.warnings.map((warning) =>
      lacking(name, warning, {
        verdict: "degraded",
        meaning: "the key does nothing",
        remedy: "take it out",
      })
    );
    return { config, findings: [pass(name, from), ...warnings] };
  } catch (error) {
    const remedy = "correct the file; kata-runtime config check FILE tells more";
    const lack = { verdict: "fail", meaning: "no VM can start", remedy } as const;
    return { findings: [lacking(name, messageOf(error), lack)] };
  }
}

/** Looks at everything. */
export async function findings(host: Host, configPath: string | undefined): Promise<Finding[]> {
  const { config, findings } = configuration(configPath);
  return [
    privileges(),
    ...findings,
    ...(config ? await checkVirtualization(host, config) : []),
    ...checkKernel(host),
    ...(config ? await checkPrograms(host, config) : []),
    ...(config ? [checkTemplates(config)] : []),
    ...await checkEngines(host),
  ];
}

const MARKS: Readonly<Record<Verdict, string>> = {
  pass: "pass",
  degraded: "degraded",
  fail: "FAIL",
};

/** One finding as text: the verdict, and below it what a lack means and what to do. */
function lines({ name, verdict, found, meaning, remedy }: Finding): string {
  const head = `${MARKS[verdict].padEnd(9)} ${name}: ${found}`;
  const more = [meaning && `means: ${meaning}`, remedy && `do: ${remedy}`].filter(Boolean);
  return [head, ...more.map((line) => `          ${line}`)].join("\n") + "\n";
}

const CLOSING: Readonly<Record<Verdict, string>> = {
  pass: "This host can run Kata containers.",
  degraded: "This host can run Kata containers, with what is said above.",
  fail: "This host cannot run Kata containers.",
};

/** Prints findings. @returns The exit status. */
export async function printFindings(
  all: readonly Finding[],
  options: { readonly json: boolean; readonly strict: boolean },
  print: (text: string) => Promise<number>,
): Promise<number> {
  const verdict = verdictOf(all);
  const text = options.json
    ? JSON.stringify({ verdict, findings: all }, null, 2) + "\n"
    : `${all.map(lines).join("")}\n${CLOSING[verdict]}\n`;
  const written = await print(text);
  if (written !== 0) return written;
  return options.strict && verdict === "degraded" ? STRICT_DEGRADED : STATUS[verdict];
}

/** `check [--json] [--strict]`: what this host can do, and what to do about the rest. */
export async function check(
  { config }: Globals,
  args: readonly string[],
  print: (text: string) => Promise<number>,
): Promise<number> {
  const { switches } = parseFlags({ json: { kind: "switch" }, strict: { kind: "switch" } }, args);
  const host = thisHost(Deno.env.get("PATH") ?? "");
  const all = await withProgress("looking at this host", () => findings(host, config));
  return await printFindings(all, {
    json: switches.has("json"),
    strict: switches.has("strict"),
  }, print);
}
