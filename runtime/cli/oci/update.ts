import { messageOf } from "../../../common/base/errors.ts";
import { isObject, type Json, type JsonObject } from "../../sandbox/bundle.ts";
import { findContainer, idOf } from "./find.ts";
import { type FlagTable, type Parsed, parseFlags, wordOf } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";
import { podOf } from "./simple_verbs.ts";

const RESOURCES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
const MAX_BYTES = 1024 * 1024;

/** Flags for single limits, and where `linux.resources` has them. Source: runc's update.go. */
const LIMITS: Readonly<Record<string, readonly [section: string, key: string]>> = {
  "memory": ["memory", "limit"],
  "memory-reservation": ["memory", "reservation"],
  "memory-swap": ["memory", "swap"],
  "cpu-period": ["cpu", "period"],
  "cpu-quota": ["cpu", "quota"],
  "cpu-share": ["cpu", "shares"],
  "cpu-rt-period": ["cpu", "realtimePeriod"],
  "cpu-rt-runtime": ["cpu", "realtimeRuntime"],
  "cpuset-cpus": ["cpu", "cpus"],
  "cpuset-mems": ["cpu", "mems"],
  "pids-limit": ["pids", "limit"],
  "blkio-weight": ["blockIO", "weight"],
};
const TEXTS = new Set(["cpuset-cpus", "cpuset-mems"]);

const FLAGS: FlagTable = {
  "resources": { kind: "word", short: "r" },
  "kernel-memory": { kind: "word" },
  "kernel-memory-tcp": { kind: "word" },
  "cpu-burst": { kind: "word" },
  ...Object.fromEntries(Object.keys(LIMITS).map((name) => [name, { kind: "word" as const }])),
};

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** A number, for sizes also with a unit: `64m`. @throws {OciError} */
function amount(name: string, text: string): number {
  const [, digits = "", unit = ""] = /^(-?\d{1,15})([bkmgt]?)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits !== "" && factor !== undefined) return Number(digits) * factor;
  throw new OciError(`invalid value for ${name}: ${text}`);
}

async function readAll(): Promise<string> {
  return await new Response(Deno.stdin.readable).text();
}

async function fromFile(path: string): Promise<JsonObject> {
  try {
    const text = path === "-" ? await readAll() : Deno.readTextFileSync(path);
    if (text.length > MAX_BYTES) throw new Error("it is too long");
    const json: Json = JSON.parse(text);
    if (isObject(json)) return json;
    throw new Error("it holds no JSON object");
  } catch (error) {
    throw new OciError(`cannot read resources "${path}": ${messageOf(error)}`);
  }
}

/** The limits that the flags name, as `linux.resources`. */
export function limitsOf(parsed: Parsed): JsonObject {
  const resources: JsonObject = {};
  for (const [name, [section, key]] of Object.entries(LIMITS)) {
    const text = wordOf(parsed, name);
    if (text === undefined) continue;
    const value = TEXTS.has(name) ? text : amount(name, text);
    const before = resources[section];
    resources[section] = { ...(isObject(before) ? before : {}), [key]: value };
  }
  return resources;
}

/** `update [--resources FILE|-] [--memory ...] ID`: changes a container's limits, in the guest. */
export async function update({ root }: Globals, args: readonly string[]): Promise<string> {
  const parsed = parseFlags(FLAGS, args);
  const state = findContainer(root, idOf(parsed.rest, "update"));
  if (state.status === "stopped") throw new OciError("container not running");
  const file = wordOf(parsed, "resources");
  const resources = file === undefined ? limitsOf(parsed) : await fromFile(file);
  using pod = await podOf(root, state);
  const value = new TextEncoder().encode(JSON.stringify(resources));
  await pod.task.update({ id: state.id, resources: { typeUrl: RESOURCES_TYPE, value } });
  return "";
}
