import { log } from "../../../common/base/log.ts";
import type { FdStream } from "../../../common/linux/fd_stream.ts";

/** Longest single event, in characters: the VMM's own are some hundreds. */
const MAX_EVENT_CHARS = 64 * 1024;

/** Something that happened to the VM, such as `vm` `panic`. */
export interface VmmEvent {
  readonly source: string;
  readonly event: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/**
 * Cuts a stream of JSON documents, pretty-printed one after another, into events. Whatever is none is skipped.
 * Source: Cloud Hypervisor, event_monitor crate: documents are separated by an empty line.
 */
export class EventParser {
  #text = "";

  push(text: string): VmmEvent[] {
    const parts = (this.#text + text).split("\n\n");
    this.#text = (parts.pop() ?? "").slice(-MAX_EVENT_CHARS);
    return parts.flatMap(parseEvent);
  }
}

function parseEvent(text: string): VmmEvent[] {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return [];
    const { source, event, properties } = value as Record<string, unknown>;
    if (typeof source !== "string" || typeof event !== "string") return [];
    const isRecord = typeof properties === "object" && properties !== null;
    return [{ source, event, properties: isRecord ? { ...properties } : {} }];
  } catch {
    log.debug("The VMM wrote an event that is none", { text: text.slice(0, 200) });
    return [];
  }
}

/** Reads events until the VMM ends. */
export async function followEvents(
  stream: FdStream,
  told: (event: VmmEvent) => void,
): Promise<void> {
  const parser = new EventParser(), decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  for (let n = await stream.read(buffer); n !== null; n = await stream.read(buffer)) {
    parser.push(decoder.decode(buffer.subarray(0, n), { stream: true })).forEach(told);
  }
}
