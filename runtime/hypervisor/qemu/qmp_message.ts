import { cleanText } from "../text_tail.ts";

/** Longest line of QMP taken from QEMU, in bytes. A guest that has broken into QEMU must not fill our memory. */
export const MAX_LINE_BYTES = 1024 * 1024;

/** An asynchronous message of QEMU's. */
export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Everything a QMP server may send. Source: QEMU, docs/interop/qmp-spec.rst. */
export type QmpMessage =
  | { readonly kind: "greeting"; readonly version: QemuVersion }
  | { readonly kind: "return"; readonly id: number; readonly value: unknown }
  | {
    readonly kind: "error";
    readonly id: number | undefined;
    readonly errorClass: string;
    readonly text: string;
  }
  | { readonly kind: "event"; readonly event: QmpEvent };

export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
}

/** The line is no QMP. */
export class QmpSyntaxError extends Error {
  override readonly name = "QmpSyntaxError";
}

/** Reads one line. @throws {QmpSyntaxError} */
export function parseQmp(line: string): QmpMessage {
  const message = parseObject(line);
  if ("QMP" in message) return { kind: "greeting", version: versionOf(message.QMP) };
  if (typeof message.event === "string") {
    return { kind: "event", event: { name: message.event, data: asRecord(message.data) ?? {} } };
  }
  if ("error" in message) return errorOf(message);
  if ("return" in message && typeof message.id === "number") {
    return { kind: "return", id: message.id, value: message.return };
  }
  throw syntaxError(line);
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw syntaxError(line);
  }
  const record = asRecord(value);
  if (!record) throw syntaxError(line);
  return record;
}

function versionOf(greeting: unknown): QemuVersion {
  const version = asRecord(asRecord(asRecord(greeting)?.version)?.qemu);
  const { major, minor } = version ?? {};
  if (!Number.isInteger(major) || !Number.isInteger(minor)) {
    throw new QmpSyntaxError("QMP greeting without a version");
  }
  return { major: Number(major), minor: Number(minor) };
}

function errorOf(message: Record<string, unknown>): QmpMessage {
  const error = asRecord(message.error) ?? {};
  const id = typeof message.id === "number" ? message.id : undefined;
  return { kind: "error", id, errorClass: short(error.class), text: short(error.desc) };
}

function short(value: unknown): string {
  return cleanText(String(value)).slice(0, 500);
}

function syntaxError(line: string): QmpSyntaxError {
  return new QmpSyntaxError(`no QMP message: ${JSON.stringify(line.slice(0, 80))}`);
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

/** Cuts a byte stream into lines, however it arrives. */
export class LineDecoder {
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(readonly maxBytes = MAX_LINE_BYTES) {}

  /** The lines that `bytes` completes, without their ends; empty ones are left out. @throws {QmpSyntaxError} Too long. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (let rest = bytes; rest.length > 0;) {
      const end = rest.indexOf(0x0a);
      this.#append(end === -1 ? rest : rest.subarray(0, end));
      if (end === -1) break;
      lines.push(this.#take());
      rest = rest.subarray(end + 1);
    }
    return lines.filter((line) => line !== "");
  }

  #append(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.maxBytes) {
      throw new QmpSyntaxError(`line of more than ${this.maxBytes} bytes`);
    }
    this.#parts.push(part.slice());
  }

  #take(): string {
    const line = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      line.set(part, offset);
      offset += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    return new TextDecoder().decode(line).trim();
  }
}
