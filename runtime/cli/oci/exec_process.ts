import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { isObject, type Json, type JsonObject, readBundle } from "../../sandbox/bundle.ts";
import { type FlagTable, type Parsed, wordOf } from "./flags.ts";
import { OciError } from "./oci_error.ts";

/** Flags of `exec`, as runc has them. */
export const EXEC_FLAGS: FlagTable = {
  "process": { kind: "word", short: "p" },
  "console-socket": { kind: "word" },
  "pid-file": { kind: "word" },
  "preserve-fds": { kind: "word" },
  "detach": { kind: "switch", short: "d" },
  "tty": { kind: "switch", short: "t" },
  "cwd": { kind: "word" },
  "env": { kind: "words", short: "e" },
  "user": { kind: "word", short: "u" },
  "additional-gids": { kind: "words", short: "g" },
  "cap": { kind: "words", short: "c" },
  "no-new-privs": { kind: "switch" },
  "ignore-paused": { kind: "switch" },
  "no-subreaper": { kind: "switch" },
  "process-label": { kind: "word" },
  "apparmor": { kind: "word" },
  "cgroup": { kind: "words" },
};

const MAX_PROCESS_BYTES = 4 * 1024 * 1024;

/** A whole number that an id of a user or group is. */
function numericId(text: string, what: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new OciError(`cannot use "${text}" as ${what}: give it as a number`);
}

function userOf(parsed: Parsed, base: Json | undefined): JsonObject {
  const user: JsonObject = isObject(base) ? { ...base } : {};
  const given = wordOf(parsed, "user");
  if (given !== undefined) {
    const [uid = "", gid] = given.split(":");
    user.uid = numericId(uid, "a user");
    user.gid = gid === undefined ? user.gid ?? 0 : numericId(gid, "a group");
  }
  const gids = parsed.words.get("additional-gids");
  if (gids) user.additionalGids = gids.map((gid) => numericId(gid, "a group"));
  return user;
}

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function capabilitiesOf(parsed: Parsed, base: Json | undefined): Json {
  const added = parsed.words.get("cap");
  if (!added) return base ?? {};
  const sets: JsonObject = isObject(base) ? { ...base } : {};
  for (const name of ["bounding", "effective", "permitted", "ambient"]) {
    sets[name] = [...new Set([...strings(sets[name]), ...added])];
  }
  return sets;
}

/** The container's own process with what the flags change. Source: runc's exec.go, getProcess. */
async function fromFlags(
  parsed: Parsed,
  bundle: string,
  args: readonly string[],
): Promise<JsonObject> {
  if (args.length === 0) throw new OciError("process args cannot be empty");
  const { json } = await readBundle(bundle);
  const base = isObject(json.process) ? json.process : {};
  return {
    ...base,
    args: [...args],
    terminal: parsed.switches.has("tty"),
    cwd: wordOf(parsed, "cwd") ?? base.cwd ?? "/",
    env: [...strings(base.env), ...parsed.words.get("env") ?? []],
    user: userOf(parsed, base.user),
    capabilities: capabilitiesOf(parsed, base.capabilities),
    ...(parsed.switches.has("no-new-privs") ? { noNewPrivileges: true } : {}),
  };
}

function fromFile(path: string): JsonObject {
  try {
    if (Deno.statSync(path).size > MAX_PROCESS_BYTES) throw new Error("it is too long");
    const json: Json = JSON.parse(Deno.readTextFileSync(path));
    if (isObject(json)) return json;
    throw new Error("it holds no JSON object");
  } catch (error) {
    throw new OciError(`cannot read process "${path}": ${messageOf(error)}`);
  }
}

/**
 * The process that an exec shall run, as the runtime specification's `process`.
 * @param args What stands behind the container's id.
 * @throws {OciError}
 */
export async function execProcess(
  parsed: Parsed,
  bundle: string,
  args: readonly string[],
): Promise<JsonObject> {
  const file = wordOf(parsed, "process");
  const process = file === undefined ? await fromFlags(parsed, bundle, args) : fromFile(file);
  if (parsed.switches.has("tty")) process.terminal = true;
  if (strings(process.args).length > 0) return process;
  throw new RuntimeError(Code.InvalidArgument, "process args cannot be empty");
}
