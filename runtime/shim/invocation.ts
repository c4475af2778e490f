import { Code, RuntimeError } from "../../common/base/errors.ts";

/** What containerd may ask of the binary: the action word, last on the command line; none means serve. */
export type Action = "serve" | "start" | "delete";

/** A parsed command line of the shim. Source: containerd runtime/v2 README, "Commands". */
export interface Invocation {
  readonly action: Action;
  readonly namespace: string;
  readonly id: string;
  /** containerd's gRPC socket; empty under CRI-O. */
  readonly address: string;
  /** containerd's binary, for publishing events without ttrpc. */
  readonly publishBinary: string;
  /** Bundle folder; empty means the working directory. */
  readonly bundle: string;
  /** Socket that `serve` listens on; chosen by `start`. */
  readonly socket: string;
  readonly debug: boolean;
  readonly version: boolean;
  readonly info: boolean;
}

const STRINGS = {
  "namespace": "namespace",
  "id": "id",
  "address": "address",
  "publish-binary": "publishBinary",
  "bundle": "bundle",
  "socket": "socket",
  "debug-socket": undefined,
} as const;

const FLAGS = {
  "debug": "debug",
  "v": "version",
  "version": "version",
  "info": "info",
} as const;

/** A flag's name and its value, if it was written as one word: `-id=x`. */
function splitFlag(word: string): [name: string, value: string | undefined] {
  const bare = word.replace(/^--?/, "");
  const equals = bare.indexOf("=");
  return equals < 0 ? [bare, undefined] : [bare.slice(0, equals), bare.slice(equals + 1)];
}

function invalid(text: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, text);
}

function parseAction(words: readonly string[]): Action {
  const [action = "serve", surplus] = words;
  if (surplus !== undefined) {
    throw invalid(`Cannot parse the command line: surplus word "${surplus}"`);
  }
  if (action !== "serve" && action !== "start" && action !== "delete") {
    throw invalid(`Cannot parse the command line: unknown action "${action}"`);
  }
  return action;
}

/**
 * Parses Go-style flags: one or two dashes, value in the next word or after `=`, action last.
 * @throws {RuntimeError} InvalidArgument, naming the word.
 */
export function parseInvocation(args: readonly string[]): Invocation {
  const strings: Record<string, string> = {};
  const flags: Record<string, boolean> = {};
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? "";
    if (!word.startsWith("-") || word === "-") break;
    const [name, inline] = splitFlag(word);
    if (name in FLAGS) {
      flags[FLAGS[name as keyof typeof FLAGS]] = inline === undefined ||
        inline === "true";
    } else if (name in STRINGS) {
      const value = inline ?? args[++at];
      if (value === undefined) {
        throw invalid(
          `Cannot parse the command line: flag -${name} lacks its value`,
        );
      }
      const key = STRINGS[name as keyof typeof STRINGS];
      if (key) strings[key] = value;
    } else {
      throw invalid(`Cannot parse the command line: unknown flag -${name}`);
    }
  }
  return {
    action: parseAction(args.slice(at)),
    namespace: strings.namespace ?? "",
    id: strings.id ?? "",
    address: strings.address ?? "",
    publishBinary: strings.publishBinary ?? "",
    bundle: strings.bundle ?? "",
    socket: strings.socket ?? "",
    debug: flags.debug ?? false,
    version: flags.version ?? false,
    info: flags.info ?? false,
  };
}
