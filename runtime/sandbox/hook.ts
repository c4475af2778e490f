import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { run } from "../../common/linux/subprocess.ts";
import { isObject, type Json } from "./bundle.ts";

/** A program that the bundle wants run at some moment of the container's life. */
export interface Hook {
  /** Absolute. */
  readonly path: string;
  /** With its own name first, as execv(3) has it. */
  readonly args: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** What a hook reads from its stdin. Source: runtime-spec runtime.md, "State". */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "created" | "running" | "stopped";
  /** Stands for the container's init on the host; absent once it has ended. */
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** For a hook that sets no limit itself, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** What is kept of a hook's words. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** What is told of them. */
const MAX_TOLD = 400;

/** A fault of the configuration. */
export function invalid(at: string, wanted: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `Cannot use the container's configuration: ${at} is not ${wanted}`,
  );
}

function texts(value: Json | undefined, at: string): string[] {
  const list = value ?? [];
  const plain = (item: Json): item is string => typeof item === "string" && !item.includes("\0");
  if (Array.isArray(list) && list.every(plain)) return list;
  throw invalid(at, "a list of strings");
}

function timeoutMs(seconds: Json | undefined, at: string): number {
  if (seconds === undefined || seconds === null) return DEFAULT_TIMEOUT_MS;
  if (typeof seconds === "number" && Number.isInteger(seconds) && seconds > 0) {
    return Math.min(seconds * 1000, 2 ** 31 - 1); // the longest that a timer takes
  }
  throw invalid(at, "a number of seconds above 0");
}

/**
 * Reads one hook.
 * @param at Where it stands in the configuration, for messages.
 * @throws {RuntimeError} InvalidArgument, naming the key.
 */
export function parseHook(hook: Json, at: string): Hook {
  if (!isObject(hook)) throw invalid(at, "an object");
  const { path } = hook;
  if (typeof path !== "string" || !path.startsWith("/") || path.includes("\0")) {
    throw invalid(`${at}.path`, "an absolute path");
  }
  const args = texts(hook.args, `${at}.args`);
  const env = texts(hook.env, `${at}.env`).map((entry) => {
    const [name = ""] = entry.split("=", 1);
    return [name, entry.slice(name.length + 1)] as const;
  });
  return {
    path,
    args: args.length > 0 ? args : [path],
    env: Object.fromEntries(env),
    timeoutMs: timeoutMs(hook.timeout, `${at}.timeout`),
  };
}

/** A hook's last words, fit for a log and an error's text. */
function told({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const words = (stderr.trim() || stdout.trim()).slice(-MAX_TOLD);
  // deno-lint-ignore no-control-regex -- these are what is taken out
  return words.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}

/**
 * Runs one hook, which reads the state from its stdin.
 * @param kind For messages.
 * @throws {RuntimeError} It cannot be started, takes too long, or ends with another status than 0.
 */
export async function runHook(
  kind: string,
  hook: Hook,
  state: HookState,
  signal?: AbortSignal,
): Promise<void> {
  const failed = (why: string): RuntimeError =>
    new RuntimeError(Code.Unknown, `${kind} hook "${hook.path}" of "${state.id}" ${why}`);
  let result: Awaited<ReturnType<typeof run>>;
  try {
    result = await run(hook.args, {
      program: hook.path,
      env: hook.env,
      cwd: state.bundle,
      stdin: new TextEncoder().encode(JSON.stringify(state)),
      timeoutMs: hook.timeoutMs,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      ...(signal && { signal }),
    });
  } catch (cause) {
    throw failed(`failed: ${messageOf(cause)}`);
  }
  if (result.code === 0) return;
  throw failed(`ended with status ${result.code}: ${told(result)}`);
}
