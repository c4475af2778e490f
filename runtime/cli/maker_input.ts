import type { RuntimeConfig } from "../config/load.ts";

const MAX_CONFIG_BYTES = 1024 * 1024;

/** The configuration that whoever started a maker writes to its standard input. @throws {RangeError} It is too long. */
export async function readConfig(): Promise<RuntimeConfig> {
  const parts: string[] = [];
  let length = 0;
  for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    length += part.length;
    if (length > MAX_CONFIG_BYTES) throw new RangeError("The configuration is too long");
    parts.push(part);
  }
  return JSON.parse(parts.join("")) as RuntimeConfig;
}
