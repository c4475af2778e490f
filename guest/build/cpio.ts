/**
 * Writes "newc" cpio archives, the format the kernel unpacks as an initramfs.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst, and
 * usr/gen_init_cpio.c of the kernel.
 */

/** One thing in a guest file system; `path` is relative to the root, without a leading slash. */
export type Entry =
  & { readonly path: string; readonly mode: number }
  & (
    | { readonly kind: "directory" }
    | { readonly kind: "file"; readonly data: Uint8Array }
    | { readonly kind: "symlink"; readonly target: string }
    | {
      readonly kind: "device";
      readonly type: "c" | "b";
      readonly major: number;
      readonly minor: number;
    }
  );

const TYPE_BITS = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  c: 0o020000,
  b: 0o060000,
};
const HEADER_BYTES = 110;
const END_OF_ARCHIVE = "TRAILER!!!";

/**
 * Serialises entries, sorted by path, all owned by root and dated at the epoch,
 * so that the same entries give the same bytes whatever their order.
 * @throws {Error} On a path that is absolute, empty, doubled, or climbs with "..".
 */
export function writeCpio(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const sorted = [...entries].sort((a, b) => comparePaths(a.path, b.path));
  sorted.forEach((entry, index) => checkPath(entry.path, sorted[index - 1]?.path));
  const parts = sorted.map((entry, index) => encodeEntry(entry, index + 1));
  return concatenate([...parts.flat(), ...encodeTrailer()]);
}

/** Orders by code unit, and so keeps each directory before what it holds. */
function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkPath(path: string, previous: string | undefined): void {
  const bad = path === "" ||
    path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (bad || path.includes("\0")) {
    throw new Error(`Cannot archive ${JSON.stringify(path)}: not a plain relative path`);
  }
  if (path === previous) {
    throw new Error(`Cannot archive ${JSON.stringify(path)}: it is listed twice`);
  }
}

function encodeEntry(entry: Entry, inode: number): Uint8Array[] {
  const data = dataOf(entry);
  const header = encodeHeader({
    inode,
    mode: entry.mode | TYPE_BITS[entry.kind === "device" ? entry.type : entry.kind],
    links: entry.kind === "directory" ? 2 : 1,
    size: data.length,
    device: entry.kind === "device" ? [entry.major, entry.minor] : [0, 0],
    name: entry.path,
  });
  return [header, data, padding(data.length)];
}

function dataOf(entry: Entry): Uint8Array {
  if (entry.kind === "file") return entry.data;
  return entry.kind === "symlink" ? new TextEncoder().encode(entry.target) : new Uint8Array();
}

function encodeTrailer(): Uint8Array[] {
  return [
    encodeHeader({ inode: 0, mode: 0, links: 1, size: 0, device: [0, 0], name: END_OF_ARCHIVE }),
  ];
}

interface Header {
  inode: number;
  mode: number;
  links: number;
  size: number;
  device: readonly [number, number];
  name: string;
}

/** Header, name and the padding that ends both on a multiple of four bytes. */
function encodeHeader(header: Header): Uint8Array {
  const name = new TextEncoder().encode(header.name + "\0");
  const { inode, mode, links, size, device } = header;
  // ino mode uid gid nlink mtime filesize dev(2) rdev(2) namesize check
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, ...device, name.length, 0];
  const text = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return concatenate([new TextEncoder().encode(text), name, padding(HEADER_BYTES + name.length)]);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - length % 4) % 4);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
