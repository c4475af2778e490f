import { helpText } from "./help.ts";
import { type Globals, parseGlobals } from "./oci/globals.ts";
import { checkLog, reportFailure } from "./oci/report.ts";
import { OciError } from "./oci/oci_error.ts";
import { VERBS } from "./verbs.ts";

/** The status after a failure whose verb has none of its own. */
const FAILED = 1;

/** 128 + SIGPIPE: the status of a program whose output nobody reads, as shells show it. */
const UNREAD = 141;

/** Writes all of the text to stdout. @returns 0, or 141 when nobody reads it. @throws It cannot be written. */
// deno-lint-ignore require-await -- what it throws is to reject
export async function print(text: string): Promise<number> {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return UNREAD;
    throw error;
  }
}

async function act(globals: Globals, words: readonly string[], bornMs: number): Promise<number> {
  const [name = "help", ...args] = words;
  const verb = VERBS[name];
  if (!verb) throw new OciError(`No help topic for '${name}': see kata-runtime help`, 3);
  if (args[0] === "--help" || args[0] === "-h") return await print(helpText(name));
  const result = await verb.run({ globals, args, bornMs, print });
  return typeof result === "number" ? result : result === "" ? 0 : await print(result);
}

/**
 * The binary as OCI runtime and as the operator's tool.
 * @param bornMs When this process began, on the monotonic clock.
 * @returns The exit status: the verb's own, 1 after a failure, 3 for a verb that does not exist.
 */
export async function runtimeMain(args: readonly string[], bornMs: number): Promise<number> {
  let globals: Globals | undefined;
  try {
    const parsed = parseGlobals(args);
    checkLog(parsed.globals);
    globals = parsed.globals;
    return await act(globals, parsed.rest, bornMs);
  } catch (error) {
    reportFailure(globals, error);
    return error instanceof OciError ? error.exitCode : FAILED;
  }
}
