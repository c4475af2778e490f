import { type FlagTable, type Parsed, parseFlags, wordOf } from "./flags.ts";
import { OciError } from "./oci_error.ts";

/** What stands before the verb. */
export interface Globals {
  /** Where containers have their state. */
  readonly root: string;
  /** A file that takes what goes wrong, besides stderr. */
  readonly log: string | undefined;
  readonly logFormat: "text" | "json";
  readonly debug: boolean;
  /** The configuration file. */
  readonly config: string | undefined;
}

/** A tmpfs on every distribution, as state must not outlive a boot. */
const DEFAULT_ROOT = "/run/kata-runtime";

/** Those of runc and crun; what has no meaning for a VM is accepted, as engines always give it. */
const FLAGS: FlagTable = {
  "root": { kind: "word" },
  "log": { kind: "word" },
  "log-format": { kind: "word" },
  "log-level": { kind: "word" },
  "debug": { kind: "switch" },
  "systemd-cgroup": { kind: "switch" },
  "cgroup-manager": { kind: "word" },
  "rootless": { kind: "word" },
  "criu": { kind: "word" },
  "config": { kind: "word" },
  "help": { kind: "switch", short: "h" },
  "version": { kind: "switch", short: "v" },
};

function formatOf(parsed: Parsed): "text" | "json" {
  const format = wordOf(parsed, "log-format") ?? "text";
  if (format === "text" || format === "json") return format;
  throw new OciError(`invalid log-format: ${format}`);
}

/**
 * Reads the flags before the verb.
 * @returns Them, and the verb with what follows; `--help` and `--version` count as verbs.
 */
export function parseGlobals(
  args: readonly string[],
): { globals: Globals; rest: readonly string[] } {
  const parsed = parseFlags(FLAGS, args);
  const globals: Globals = {
    root: absolute(wordOf(parsed, "root") ?? DEFAULT_ROOT),
    log: wordOf(parsed, "log"),
    logFormat: formatOf(parsed),
    debug: parsed.switches.has("debug") || wordOf(parsed, "log-level") === "debug",
    config: wordOf(parsed, "config"),
  };
  const asked = ["help", "version"].find((name) => parsed.switches.has(name));
  return { globals, rest: asked ? [asked] : parsed.rest };
}

function absolute(path: string): string {
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return whole.replace(/\/+$/, "") || "/";
}
