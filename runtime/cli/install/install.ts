import { OciError } from "../oci/oci_error.ts";
import { type FlagTable, type Parsed, parseFlags, wordOf } from "../oci/flags.ts";
import { withProgress } from "../progress.ts";
import { apply, type Record, undo } from "./apply.ts";
import { withoutHandler } from "./containerd_config.ts";
import { type Action, type Files, type Places, planInstall } from "./plan.ts";

const FLAGS: FlagTable = {
  "prefix": { kind: "word" },
  "destdir": { kind: "word" },
  "dry-run": { kind: "switch" },
};

/** What install has done on a host, in order. */
const RECORD = "install.json";

const FILES: Files = {
  text(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
  exists(path) {
    try {
      return Deno.lstatSync(path) !== undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  },
};

function placesOf(parsed: Parsed): Places {
  const prefix = wordOf(parsed, "prefix") ?? "/opt/kata", destdir = wordOf(parsed, "destdir") ?? "";
  for (const path of [prefix, destdir || "/"]) {
    if (!path.startsWith("/")) throw new OciError(`"${path}" is not an absolute path`);
  }
  if (parsed.rest.length > 0) throw new OciError(`surplus word "${parsed.rest[0]}"`);
  const from = Deno.execPath().replace(/\/[^/]*$/, "");
  return { from, prefix, destdir, links: "/usr/local/bin" };
}

function recordPath({ destdir, prefix }: Places): string {
  return `${destdir}${prefix}/${RECORD}`;
}

function recordsOf(places: Places): Record[] {
  const text = FILES.text(recordPath(places));
  return text === undefined ? [] : JSON.parse(text);
}

/** An edit of a file that was edited before: the last text counts, the first copy stays. */
function merge(before: readonly Record[], now: readonly Record[]): Record[] {
  const again = new Set(now.filter(({ kind }) => kind === "edited").map(({ path }) => path));
  return [...before.filter(({ kind, path }) => kind !== "edited" || !again.has(path)), ...now];
}

const VERBS: Readonly<globalThis.Record<Action["kind"], string>> = {
  folder: "make folder",
  copy: "copy to",
  link: "link",
  write: "write",
  edit: "edit",
};

function describe(action: Action): string {
  const detail = action.kind === "link" ? ` -> ${action.target}` : "";
  return `${VERBS[action.kind].padEnd(11)} ${action.path}${detail}`;
}

/** What would change anything: folders that are there are not told. */
function isNews(action: Action): boolean {
  return action.kind !== "folder" || !FILES.exists(action.path);
}

function told(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** `install [--prefix DIR] [--destdir DIR] [--dry-run]`: puts everything in place; restarts nothing. */
export async function install(args: readonly string[]): Promise<string> {
  const parsed = parseFlags(FLAGS, args), places = placesOf(parsed);
  const { actions, notes } = planInstall(places, FILES);
  const lines = told(actions.filter(isNews).map(describe)) + told(notes);
  if (parsed.switches.has("dry-run")) return lines;
  let records = recordsOf(places);
  await withProgress("installing", async () => {
    for (const action of actions) {
      records = merge(records, apply(action));
      await Promise.resolve(); // lets the display move on
    }
  });
  Deno.writeTextFileSync(recordPath(places), JSON.stringify(records, null, 1), { mode: 0o644 });
  return lines;
}

/** `uninstall [--prefix DIR] [--destdir DIR] [--dry-run]`: leaves every file as it was before install. */
export function uninstall(args: readonly string[]): string {
  const parsed = parseFlags(FLAGS, args), places = placesOf(parsed);
  const path = recordPath(places), records = recordsOf(places).toReversed();
  if (records.length === 0) throw new OciError(`nothing is installed: there is no "${path}"`);
  if (parsed.switches.has("dry-run")) {
    return told(
      records.map((each) => `${each.kind === "made" ? "remove" : "restore"}  ${each.path}`),
    );
  }
  Deno.removeSync(path);
  const stays = records.map((record) => undo(record, withoutHandler)).filter((line) =>
    line !== undefined
  );
  return told(stays);
}
