/**
 * The little of ELF the guest builder needs: shared libraries a program asks
 * for, sections by name, and the end of the image. 64-bit little-endian only.
 * Source: "System V Application Binary Interface", chapters 4 and 5; elf(5).
 */

/** A malformed ELF file. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}

/** A named piece of an ELF file. */
export interface Section {
  readonly name: string;
  readonly data: Uint8Array;
}

const PT_DYNAMIC = 2, PT_INTERP = 3, PT_LOAD = 1, PT_NOTE = 4;
const DT_NEEDED = 1, DT_STRTAB = 5;
const SHT_NOBITS = 8;

/** Whether the bytes begin as a 64-bit little-endian ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return [0x7f, 0x45, 0x4c, 0x46, 2, 1].every((byte, index) => bytes[index] === byte);
}

/** An ELF file, checked as far as it is read. */
export class Elf {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** @throws {ElfError} When this is no 64-bit little-endian ELF file. */
  constructor(bytes: Uint8Array) {
    if (!isElf(bytes) || bytes.length < 64) {
      throw new ElfError("not a 64-bit little-endian ELF file");
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Names of the shared libraries the program loads at its start; empty when it is static. */
  needed(): string[] {
    const dynamic = this.#segments().find((segment) => segment.type === PT_DYNAMIC);
    if (dynamic === undefined) return [];
    const tags = this.#dynamicTags(dynamic);
    const table = tags.find(([tag]) => tag === DT_STRTAB)?.[1];
    if (table === undefined) return [];
    const strings = this.#fileOffset(table);
    return tags.filter(([tag]) => tag === DT_NEEDED).map(([, offset]) =>
      this.#text(strings + offset)
    );
  }

  /** Path of the dynamic loader, or `undefined` for a static program or a library. */
  interpreter(): string | undefined {
    const segment = this.#segments().find((segment) => segment.type === PT_INTERP);
    return segment && this.#text(segment.offset);
  }

  /** The sections that take room in the file. */
  sections(): Section[] {
    const table = this.#u64(40), size = this.#u16(58), count = this.#u16(60), names = this.#u16(62);
    const headers = Array.from(
      { length: count },
      (_, index) => this.#sectionHeader(table + index * size),
    );
    const strings = headers[names];
    if (strings === undefined) return [];
    return headers.filter((header) => header.type !== SHT_NOBITS).map((header) => ({
      name: this.#text(strings.offset + header.name),
      data: this.#slice(header.offset, header.size),
    }));
  }

  /** Bytes of the note with this owner and type in a PT_NOTE segment, if any. */
  note(owner: string, type: number): Uint8Array | undefined {
    for (const segment of this.#segments().filter((segment) => segment.type === PT_NOTE)) {
      const found = this.#noteIn(segment.offset, segment.offset + segment.size, owner, type);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #noteIn(from: number, end: number, owner: string, type: number): Uint8Array | undefined {
    for (let at = from; at + 12 <= end;) {
      const nameSize = this.#u32(at), size = this.#u32(at + 4), kind = this.#u32(at + 8);
      const data = at + 12 + align4(nameSize);
      if (kind === type && this.#text(at + 12) === owner) return this.#slice(data, size);
      at = data + align4(size);
    }
    return undefined;
  }

  #sectionHeader(at: number): { name: number; type: number; offset: number; size: number } {
    return {
      name: this.#u32(at),
      type: this.#u32(at + 4),
      offset: this.#u64(at + 24),
      size: this.#u64(at + 32),
    };
  }

  #segments(): { type: number; offset: number; address: number; size: number }[] {
    const table = this.#u64(32), size = this.#u16(54), count = this.#u16(56);
    return Array.from({ length: count }, (_, index) => {
      const at = table + index * size;
      return {
        type: this.#u32(at),
        offset: this.#u64(at + 8),
        address: this.#u64(at + 16),
        size: this.#u64(at + 32),
      };
    });
  }

  #dynamicTags(segment: { offset: number; size: number }): [number, number][] {
    const tags: [number, number][] = [];
    for (let at = segment.offset; at + 16 <= segment.offset + segment.size; at += 16) {
      const tag = this.#u64(at);
      if (tag === 0) break;
      tags.push([tag, this.#u64(at + 8)]);
    }
    return tags;
  }

  /** Where in the file the byte stands that is loaded at a virtual address. */
  #fileOffset(address: number): number {
    const holds = (s: { type: number; address: number; size: number }): boolean =>
      s.type === PT_LOAD && address >= s.address && address < s.address + s.size;
    const segment = this.#segments().find(holds);
    if (segment === undefined) {
      throw new ElfError(`no segment holds address ${address.toString(16)}`);
    }
    return address - segment.address + segment.offset;
  }

  #text(offset: number): string {
    const end = this.#bytes.indexOf(0, offset);
    if (offset >= this.#bytes.length || end < 0) throw new ElfError(`text at ${offset} has no end`);
    return new TextDecoder().decode(this.#bytes.subarray(offset, end));
  }

  #slice(offset: number, size: number): Uint8Array {
    this.#check(offset, size);
    return this.#bytes.subarray(offset, offset + size);
  }

  #check(offset: number, size: number): void {
    if (offset + size > this.#bytes.length) {
      throw new ElfError(`${size} bytes at ${offset} lie beyond the end`);
    }
  }

  #u16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, true);
  }

  #u32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, true);
  }

  /** Large tags (DT_LOOS...) lose low bits, which no caller looks at. */
  #u64(offset: number): number {
    this.#check(offset, 8);
    return Number(this.#view.getBigUint64(offset, true));
  }
}

function align4(size: number): number {
  return size + (4 - size % 4) % 4;
}
