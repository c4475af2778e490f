import { messageOf } from "../../common/base/errors.ts";
import { loadConfig, requireAssets } from "../config/load.ts";
import { parseFlags } from "./oci/flags.ts";
import { OciError } from "./oci/oci_error.ts";
import type { Globals } from "./oci/globals.ts";

const USAGE = "usage: kata-runtime config check [--json] [FILE]";

/** What is told of a configuration. */
interface Judgement {
  readonly ok: boolean;
  /** The files, drop-ins last; none for built-in defaults. */
  readonly sources: readonly string[];
  readonly warnings: readonly string[];
  readonly error?: string;
}

function judge(path: string | undefined): Judgement {
  try {
    const { sources, warnings, ...rest } = loadConfig({ path });
    requireAssets({ sources, warnings, ...rest });
    return { ok: true, sources, warnings };
  } catch (error) {
    return { ok: false, sources: [], warnings: [], error: messageOf(error) };
  }
}

function told({ sources, warnings }: Judgement): string {
  const from = sources.join(", ") || "built-in defaults";
  return [...warnings.map((warning) => `warning: ${warning}`), `ok: ${from}`, ""].join("\n");
}

/** `config check [--json] [FILE]`: whether a configuration can be used, with its drop-ins. @returns 1 when it cannot. */
export async function config(
  globals: Globals,
  [verb, ...args]: readonly string[],
  print: (text: string) => Promise<number>,
): Promise<number> {
  const { switches, rest } = parseFlags({ json: { kind: "switch" } }, args);
  if (verb !== "check" || rest.length > 1) throw new OciError(USAGE, 2);
  const judgement = judge(rest[0] ?? globals.config);
  const { ok, error } = judgement;
  if (switches.has("json")) {
    return await print(`${JSON.stringify(judgement, null, 2)}\n`) || (ok ? 0 : 1);
  }
  if (error !== undefined) throw new OciError(error);
  return await print(told(judgement));
}
