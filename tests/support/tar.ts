/** Writes tar archives (POSIX ustar), always the same bytes for the same entries. */

/** One entry of an archive. Numbers are as in stat(2); links have no content. */
export type TarEntry =
  & {
    readonly path: string;
    readonly mode: number;
    /** User and group that own it; root when absent. */
    readonly owner?: number;
  }
  & (
    | { readonly kind: "file"; readonly content: Uint8Array }
    | { readonly kind: "directory" }
    | { readonly kind: "link"; readonly target: string }
  );

const BLOCK_BYTES = 512;
/** Longest path and link target that a header without its prefix field holds. */
const MAX_NAME_BYTES = 100;
const TYPES = { file: "0", link: "2", directory: "5" } as const;

const encoder = new TextEncoder();

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, "0") + "\0";
}

function put(header: Uint8Array, offset: number, text: string, width: number): void {
  const bytes = encoder.encode(text);
  if (bytes.length > width) throw new Error(`Cannot store "${text}": longer than ${width} bytes`);
  header.set(bytes, offset);
}

/** The header of an entry. Source: POSIX.1-2017, pax, "ustar Interchange Format". */
function header(entry: TarEntry): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  put(bytes, 0, entry.path, MAX_NAME_BYTES);
  put(bytes, 100, octal(entry.mode, 8), 8);
  put(bytes, 108, octal(entry.owner ?? 0, 8).repeat(2), 16); // owner and group
  put(bytes, 124, octal(entry.kind === "file" ? entry.content.length : 0, 12), 12);
  put(bytes, 136, octal(0, 12), 12); // time: the epoch
  put(bytes, 148, " ".repeat(8), 8); // counted as blanks in the checksum
  put(bytes, 156, TYPES[entry.kind], 1);
  put(bytes, 157, entry.kind === "link" ? entry.target : "", MAX_NAME_BYTES);
  put(bytes, 257, "ustar\0" + "00", 8);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(bytes, 148, sum.toString(8).padStart(6, "0") + "\0 ", 8);
  return bytes;
}

function padding(length: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - length % BLOCK_BYTES) % BLOCK_BYTES);
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * Packs entries in the given order.
 * @throws {Error} A path or link target is longer than 100 bytes.
 */
export function packTar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) =>
    entry.kind === "file"
      ? [header(entry), entry.content, padding(entry.content.length)]
      : [header(entry)]
  );
  return concat([...parts, new Uint8Array(2 * BLOCK_BYTES)]);
}
