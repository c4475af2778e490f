/** Reads "newc" archives back; for tests. */
import type { Entry } from "../cpio.ts";

/** @throws {Error} When an entry does not begin as it should. */
export function readCpio(archive: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  const text = (from: number, to: number): string =>
    new TextDecoder().decode(archive.subarray(from, to));
  const align = (offset: number): number => (offset + 3) & ~3;
  for (let at = 0;;) {
    if (text(at, at + 6) !== "070701") throw new Error(`no entry at ${at}`);
    const field = (index: number): number =>
      parseInt(text(at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const path = text(at + 110, nameEnd - 1);
    if (path === "TRAILER!!!") return entries;
    const start = align(nameEnd), data = archive.slice(start, start + field(6));
    entries.push(entryOf(path, field(1), data, field(9), field(10)));
    at = align(start + field(6));
  }
}

function entryOf(
  path: string,
  bits: number,
  data: Uint8Array,
  major: number,
  minor: number,
): Entry {
  const mode = bits & 0o7777;
  switch (bits & 0o170000) {
    case 0o040000:
      return { kind: "directory", path, mode };
    case 0o120000:
      return { kind: "symlink", path, mode, target: new TextDecoder().decode(data) };
    case 0o020000:
      return { kind: "device", type: "c", path, mode, major, minor };
    default:
      return { kind: "file", path, mode, data };
  }
}
