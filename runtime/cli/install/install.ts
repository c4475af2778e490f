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
  "json": { kind: "switch" },
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

/** Without the texts of whole files. */
function bare({ kind, path }: Action): { kind: Action["kind"]; path: string } {
  return { kind, path };
}

function json(answer: unknown): string {
  return `${JSON.stringify(answer, null, 2)}\n`;
}

function told(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** `install [--prefix DIR] [--destdir DIR] [--dry-run] [--json]`: puts everything in place; restarts nothing. */
export async function install(args: readonly string[]): Promise<string> {
  const parsed = parseFlags(FLAGS, args), places = placesOf(parsed);
  const { actions, notes } = planInstall(places, FILES);
  const news = actions.filter(isNews);
  const answer = parsed.switches.has("json")
    ? json({ actions: news.map(bare), notes })
    : told(news.map(describe)) + told(notes);
  if (parsed.switches.has("dry-run")) return answer;
  await withProgress("installing", () => applyAll(places, actions));
  return answer;
}

/** Whatever was done is written down, also when a step fails: uninstall undoes it then. */
async function applyAll(places: Places, actions: readonly Action[]): Promise<void> {
  let records = recordsOf(places);
  try {
    for (const action of actions) {
      records = merge(records, apply(action));
      await new Promise((resolve) => setTimeout(resolve)); // lets the display move on
    }
  } finally {
    if (records.length > 0) {
      const text = JSON.stringify(records, null, 1);
      Deno.writeTextFileSync(recordPath(places), text, { mode: 0o644 });
    }
  }
}

/** `uninstall [--prefix DIR] [--destdir DIR] [--dry-run] [--json]`: leaves every file as it was before install. */
export function uninstall(args: readonly string[]): string {
  const parsed = parseFlags(FLAGS, args), places = placesOf(parsed);
  const path = recordPath(places), records = recordsOf(places).toReversed();
  if (records.length === 0) throw new OciError(`nothing is installed: there is no "${path}"`);
  const asJson = parsed.switches.has("json");
  const actions = records.map((each) => ({
    kind: each.kind === "made" ? "remove" : "restore",
    path: each.path,
  }));
  if (parsed.switches.has("dry-run")) {
    return asJson
      ? json({ actions, notes: [] })
      : told(actions.map(({ kind, path }) => `${kind.padEnd(7)}  ${path}`));
  }
  Deno.removeSync(path);
  const stays = records.map((record) => undo(record, withoutHandler)).filter((line) =>
    line !== undefined
  );
  return asJson ? json({ actions, notes: stays }) : told(stays);
}
