/** crun's log lines to errors that containerd's clients understand. */
import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Longest text passed on, in characters. */
const MAX_TEXT = 2000;

/**
 * The error for a verb that failed.
 * Clients look for "executable file not found" and "permission denied" in the form of runc, which answers with the
 * code Unknown.
 * @param program The command that the process was to run, where there is one.
 */
export function crunFailure(
  verb: string,
  code: number,
  log: string,
  program = "",
): RuntimeError {
  const text = lastMessage(log) || `exit status ${code}`;
  const commandError = commandFailure(text, program);
  if (commandError) return new RuntimeError(Code.Unknown, commandError);
  return new RuntimeError(codeFor(text), `crun ${verb}: ${text}`);
}

function commandFailure(text: string, program: string): string | undefined {
  const missing = /executable file `([^`]*)` not found/.exec(text)?.[1];
  if (missing !== undefined) {
    const stat = missing.includes("/") ? `: stat ${missing}: no such file or directory` : "";
    return `exec: ${JSON.stringify(missing)}: executable file not found in $PATH${stat}`;
  }
  // crun answers EPERM for a folder; runc says the same for both.
  if (/open executable.*(permission denied|not permitted)/i.test(text)) {
    return `exec: ${JSON.stringify(program)}: permission denied`;
  }
  return undefined;
}

function codeFor(text: string): Code {
  if (/already exists/.test(text)) return Code.AlreadyExists;
  if (/does not exist|No such process/.test(text)) return Code.NotFound;
  return Code.Internal;
}

/** The last error of a log in crun's JSON form, one object a line; lines of any other form are kept as they are. */
export function lastMessage(log: string): string {
  const messages = log.split("\n").filter((line) => line.trim() !== "")
    .map(messageOfLine).filter((message) => message !== "");
  // deno-lint-ignore no-control-regex
  return (messages.at(-1) ?? "").replace(/[\u0000-\u001f\u007f]+/g, " ")
    .slice(0, MAX_TEXT);
}

function messageOfLine(line: string): string {
  const entry = parseObject(line);
  if (entry === undefined) return line;
  if (entry.level !== undefined && entry.level !== "error") return "";
  return typeof entry.msg === "string" ? entry.msg : line;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined; // not JSON: the caller keeps the line
  }
}
