/**
 * Structured log lines: `time=2026-01-02T03:04:05.678Z level=info msg="VM is up" id=abc ms=62`.
 *
 * Own code rather than `@std/log`: a line goes to one sink, and neither handlers nor colours are wanted.
 */
import { messageOf } from "./errors.ts";

const LEVELS = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof LEVELS;

/** Values by name; errors appear as their message, objects as JSON, `undefined` not at all. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Takes one line, without newline. */
export type LogSink = (line: string) => void;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A value's text beyond this is cut: guests and users write into logs. */
const MAX_VALUE_CHARS = 4096;

/** A logger that drops what is below `level`. */
export function createLogger(sink: LogSink, level: LogLevel = "info"): Logger {
  const at = (own: LogLevel) => (message: string, fields: LogFields = {}): void => {
    if (LEVELS[own] >= LEVELS[level]) sink(formatLine(new Date(), own, message, fields));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** One log line. Control characters are escaped, so a value cannot forge another line. */
export function formatLine(
  time: Date,
  level: LogLevel,
  message: string,
  fields: LogFields,
): string {
  const pairs = Object.entries(fields).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${keyText(key)}=${valueText(value)}`);
  return `time=${time.toISOString()} level=${level} msg=${valueText(message)}${pairs.join("")}`;
}

function keyText(key: string): string {
  return key.replaceAll(/[^\w.-]/g, "_") || "_";
}

function valueText(value: unknown): string {
  const text = plainText(value);
  const short = text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
  return /^[\w.:/@+-]+$/.test(short) ? short : quote(short);
}

function plainText(value: unknown): string {
  if (value instanceof Error) return messageOf(value);
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? String(inner) : inner);
}

/** JSON's quotes, and escapes also for the control characters that JSON leaves alone (DEL, C1, line separators). */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

let currentSink: LogSink = writeToStderr;
let currentLevel: LogLevel = "info";

/** Where {@linkcode log} writes; standard error until this is called. */
export function setLogSink(sink: LogSink): void {
  currentSink = sink;
}

/** From which level on {@linkcode log} writes; "info" until this is called. */
export function setLogLevel(level: LogLevel): void {
  currentLevel = level;
}

function write(level: LogLevel, message: string, fields: LogFields = {}): void {
  if (LEVELS[level] < LEVELS[currentLevel]) return;
  currentSink(formatLine(new Date(), level, message, fields));
}

/** The program's logger. */
export const log: Logger = {
  debug: (message, fields) => write("debug", message, fields),
  info: (message, fields) => write("info", message, fields),
  warn: (message, fields) => write("warn", message, fields),
  error: (message, fields) => write("error", message, fields),
};

function writeToStderr(line: string): void {
  let bytes = new TextEncoder().encode(`${line}\n`);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // nobody reads it: no reason to fail
  }
}
