import { Code, RuntimeError } from "../../common/base/errors.ts";

/** What stands beside a template's files, so that it can be told whether they are whole. */
export interface TemplateManifest {
  readonly key: string;
  /** For people: what it is of. */
  readonly about: string;
  /** Milliseconds since the epoch. */
  readonly builtAt: number;
  readonly memoryBytes: number;
  /** Blocks of 512 bytes that the memory takes. */
  readonly memoryBlocks: number;
  readonly stateBytes: number;
  readonly stateSha256: string;
}

/** @throws {RuntimeError} DataLoss: the value is none. */
export function parseManifest(value: unknown): TemplateManifest {
  if (isRecord(value)) {
    const { key, about, builtAt, memoryBytes, memoryBlocks, stateBytes, stateSha256 } = value;
    if (
      isText(key) && isText(about) && isText(stateSha256) && isCount(builtAt) &&
      isCount(memoryBytes) && isCount(memoryBlocks) && isCount(stateBytes)
    ) return { key, about, builtAt, memoryBytes, memoryBlocks, stateBytes, stateSha256 };
  }
  throw new RuntimeError(Code.DataLoss, "The template's description is damaged");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
