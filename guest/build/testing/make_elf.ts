/** Makes small ELF files; for tests. */

/** What a made file shall hold. */
export interface ElfParts {
  readonly needed?: readonly string[];
  readonly interpreter?: string;
  readonly modinfo?: readonly string[];
  /** Owner and type of one note. */
  readonly note?: { readonly owner: string; readonly type: number; readonly data: Uint8Array };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_NOTE = 4;

/** Grows a file; every piece is appended at a multiple of eight. */
class Image {
  bytes = new Uint8Array(4096);
  length = 64;
  put(data: Uint8Array): number {
    const at = (this.length + 7) & ~7;
    this.bytes.set(data, at);
    this.length = at + data.length;
    return at;
  }
  get view(): DataView {
    return new DataView(this.bytes.buffer);
  }
}

/** A 64-bit little-endian file in which addresses equal offsets. */
export function makeElf(parts: ElfParts): Uint8Array {
  const image = new Image();
  image.bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const segments: [number, number, number][] = [[PT_LOAD, 0, 4096]];
  if (parts.interpreter !== undefined) {
    segments.push([
      PT_INTERP,
      image.put(encode(parts.interpreter + "\0")),
      parts.interpreter.length + 1,
    ]);
  }
  if (parts.needed !== undefined) segments.push(putDynamic(image, parts.needed));
  if (parts.note !== undefined) segments.push(putNote(image, parts.note));
  putSegments(image, segments);
  putSections(image, encode((parts.modinfo ?? []).map((text) => text + "\0").join("")));
  return image.bytes.slice(0, image.length);
}

function putDynamic(image: Image, needed: readonly string[]): [number, number, number] {
  const strings = image.put(encode("\0" + needed.map((name) => name + "\0").join("")));
  let offset = 1;
  const tags: bigint[] = [5n, BigInt(strings)];
  for (const name of needed) {
    tags.push(1n, BigInt(offset));
    offset += name.length + 1;
  }
  const table = new Uint8Array(new BigUint64Array([...tags, 0n, 0n]).buffer);
  return [PT_DYNAMIC, image.put(table), table.length];
}

function putNote(image: Image, note: NonNullable<ElfParts["note"]>): [number, number, number] {
  const owner = encode(note.owner + "\0"), padded = new Uint8Array((owner.length + 3) & ~3);
  padded.set(owner);
  const header = new Uint8Array(
    new Uint32Array([owner.length, note.data.length, note.type]).buffer,
  );
  const bytes = new Uint8Array([...header, ...padded, ...note.data]);
  return [PT_NOTE, image.put(bytes), bytes.length];
}

function putSegments(image: Image, segments: readonly [number, number, number][]): void {
  const table = image.put(new Uint8Array(segments.length * 56));
  segments.forEach(([type, offset, size], index) => {
    const at = table + index * 56;
    image.view.setUint32(at, type, true);
    for (const field of [8, 16]) image.view.setBigUint64(at + field, BigInt(offset), true);
    image.view.setBigUint64(at + 32, BigInt(size), true);
  });
  image.view.setBigUint64(32, BigInt(table), true);
  image.view.setUint16(54, 56, true);
  image.view.setUint16(56, segments.length, true);
}

function putSections(image: Image, modinfo: Uint8Array): void {
  const names = "\0.modinfo\0.shstrtab\0";
  const info = image.put(modinfo), strings = image.put(encode(names));
  const table = image.put(new Uint8Array(3 * 64));
  const put = (index: number, name: number, offset: number, size: number): void => {
    image.view.setUint32(table + index * 64, name, true);
    image.view.setUint32(table + index * 64 + 4, 1, true);
    image.view.setBigUint64(table + index * 64 + 24, BigInt(offset), true);
    image.view.setBigUint64(table + index * 64 + 32, BigInt(size), true);
  };
  put(1, 1, info, modinfo.length);
  put(2, 10, strings, names.length);
  image.view.setBigUint64(40, BigInt(table), true);
  [64, 3, 2].forEach((value, index) => image.view.setUint16(58 + index * 2, value, true));
}
