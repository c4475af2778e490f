import { type ContainerState, listContainerStates } from "../../pod_daemon/container_state.ts";
import { table } from "../table.ts";
import { checkCount, NO_WORDS } from "./find.ts";
import { parseFlags, wordOf } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";
import { stateJson } from "./state.ts";

function row(state: ContainerState): string[] {
  const { id, pid, status, bundle, created, owner } = state;
  return [id, `${status === "stopped" ? 0 : pid}`, status, bundle, created, owner];
}

/** `list [--format table|json] [--quiet]`: the containers of the command line, as runc lists its own. */
export function list({ root }: Globals, args: readonly string[]): string {
  const parsed = parseFlags({
    "format": { kind: "word", short: "f" },
    "quiet": { kind: "switch", short: "q" },
    "json": { kind: "switch" },
  }, args);
  checkCount(parsed.rest, "list", NO_WORDS);
  const format = parsed.switches.has("json") ? "json" : wordOf(parsed, "format") ?? "table";
  const states = listContainerStates(root);
  if (parsed.switches.has("quiet")) return states.map(({ id }) => `${id}\n`).join("");
  if (format === "json") return JSON.stringify(states.map(stateJson)) + "\n";
  if (format !== "table") throw new OciError("invalid format option");
  return table(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], states.map(row));
}
