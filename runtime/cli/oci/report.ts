import { messageOf } from "../../../common/base/errors.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";
import { systemText } from "./system_text.ts";

type Target = Pick<Globals, "log" | "logFormat">;

const STDERR_ONLY: Target = { log: undefined, logFormat: "text" };

function line({ logFormat }: Target, level: string, message: string): string {
  const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  return logFormat === "json"
    ? JSON.stringify({ level, msg: message, time })
    : `time="${time}" level=${level} msg=${JSON.stringify(message)}`;
}

/** Makes sure that what goes wrong can be logged. @throws {OciError} As runc words it. */
export function checkLog({ log }: Target): void {
  if (log === undefined) return;
  try {
    Deno.openSync(log, { append: true, create: true, mode: 0o644 }).close();
  } catch (error) {
    throw new OciError(`open ${log}: ${systemText(error)}`);
  }
}

/**
 * Tells of a failure where engines look for it: in the `--log` file, the last line of which they show, and on stderr,
 * which conmon passes on.
 */
export function reportFailure(target: Target = STDERR_ONLY, error: unknown): void {
  const message = messageOf(error);
  const text = new TextEncoder().encode(`${line(target, "error", message)}\n`);
  if (target.log !== undefined) {
    try {
      Deno.writeFileSync(target.log, text, { append: true, mode: 0o644 });
    } catch (cause) {
      writeToStderr(`Cannot write to "${target.log}": ${messageOf(cause)}\n`);
    }
  }
  writeToStderr(
    target.logFormat === "json" ? `${line(target, "error", message)}\n` : `${message}\n`,
  );
}

function writeToStderr(text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource)) {
      throw error;
    }
  }
}
