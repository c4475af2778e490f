import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import type { Invocation } from "../invocation.ts";

/** What a waiting shim has to know to stand in for one that the engine's `start` would have started. */
export interface Claim {
  readonly invocation: Invocation;
  /** The bundle: its working directory. */
  readonly bundle: string;
  /** Its environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** The lines of /proc/self/cgroup of whoever asks. */
  readonly cgroups: string;
  /** The cgroup that the engine's options name; empty when they name none. */
  readonly shimCgroup: string;
  readonly oomScoreAdj: number;
}

/** Longest claim, in bytes: an environment and no more. Source: execve(2), ARG_MAX is of this size. */
export const MAX_CLAIM_BYTES = 2 * 1024 * 1024;

/** What follows the pid of a shim that listens. */
export const CLAIMED = "ready";

const TEXTS = ["action", "namespace", "id", "address", "publishBinary", "bundle", "socket"];
const FLAGS = ["debug", "version", "info"];

/** @throws {RuntimeError} InvalidArgument: the text is no claim. */
export function parseClaim(text: string): Claim {
  const value = parseJson(text);
  if (
    isRecord(value) && isText(value.bundle) && isText(value.cgroups) && isText(value.shimCgroup) &&
    Number.isInteger(value.oomScoreAdj) && isVariables(value.variables) &&
    isInvocation(value.invocation)
  ) return value as unknown as Claim;
  throw new RuntimeError(Code.InvalidArgument, "Nobody who may asks for a spare VM like this");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RuntimeError(Code.InvalidArgument, `Cannot read a claim: ${messageOf(error)}`);
  }
}

function isInvocation(value: unknown): boolean {
  return isRecord(value) && TEXTS.every((name) => isText(value[name])) &&
    FLAGS.every((name) => typeof value[name] === "boolean");
}

function isVariables(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every(isText);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
