/**
 * Takes the uncompressed ELF kernel out of a bzImage. A VMM starts it through
 * its PVH entry: nothing is decompressed in the guest, which saves seconds
 * where the CPU is emulated.
 * Source: Documentation/x86/boot.rst ("payload_offset"), include/xen/interface/elfnote.h.
 */
import { Elf, isElf } from "./elf.ts";
import { runForOutput } from "./command.ts";

/** XEN_ELFNOTE_PHYS32_ENTRY: the 32-bit address a PVH loader jumps to. */
const PVH_ENTRY_NOTE = 18;
const SETUP_MAGIC_OFFSET = 0x202;
const SETUP_MAGIC = "HdrS";

interface Compression {
  readonly name: string;
  readonly magic: readonly number[];
  readonly command: readonly string[];
}

/** Formats of scripts/extract-vmlinux; every tool reads standard input and ignores what follows the stream. */
const COMPRESSIONS: readonly Compression[] = [
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
    command: ["xz", "-dc", "--single-stream"],
  },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], command: ["zstd", "-dcq"] },
  { name: "gzip", magic: [0x1f, 0x8b, 0x08], command: ["gzip", "-dc"] },
  { name: "lz4", magic: [0x02, 0x21, 0x4c, 0x18], command: ["lz4", "-dcq"] },
  { name: "lzma", magic: [0x5d, 0x00, 0x00, 0x00], command: ["xz", "-dc", "--format=lzma"] },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], command: ["bzip2", "-dc"] },
];

/** Where the compressed kernel lies inside a bzImage, in bytes. */
export interface Payload {
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads where the payload lies from the real-mode header.
 * @throws {Error} When the bytes are no bzImage of boot protocol 2.08 or later.
 */
export function locatePayload(image: Uint8Array): Payload {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const magic = new TextDecoder().decode(
    image.subarray(SETUP_MAGIC_OFFSET, SETUP_MAGIC_OFFSET + 4),
  );
  if (image.length < 0x250 || magic !== SETUP_MAGIC) {
    throw new Error("not a bzImage: no HdrS header");
  }
  if (view.getUint16(0x206, true) < 0x208) {
    throw new Error("boot protocol older than 2.08 names no payload");
  }
  const setupSectors = view.getUint8(0x1f1) || 4;
  const offset = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const length = view.getUint32(0x24c, true);
  if (offset + length > image.length) throw new Error("its payload lies beyond its end");
  return { offset, length };
}

/**
 * @param image A bzImage, or an ELF kernel, which comes back as it is.
 * @param label Its name in messages.
 * @returns The ELF kernel, checked to have a PVH entry.
 * @throws {Error} On an unknown format or compression, or a kernel without CONFIG_PVH.
 */
export async function extractKernel(image: Uint8Array, label: string): Promise<Uint8Array> {
  try {
    const kernel = isElf(image) ? image : await decompress(image);
    requirePvhEntry(kernel);
    return kernel;
  } catch (error) {
    throw new Error(`Cannot take the kernel out of "${label}"`, { cause: error });
  }
}

async function decompress(image: Uint8Array): Promise<Uint8Array> {
  const { offset, length } = locatePayload(image);
  const payload = image.subarray(offset, offset + length);
  const compression = COMPRESSIONS.find(({ magic }) =>
    magic.every((byte, index) => payload[index] === byte)
  );
  if (compression === undefined) {
    throw new Error(
      `unknown compression, first bytes ${[...payload.subarray(0, 6)].map((b) => b.toString(16))}`,
    );
  }
  return await runForOutput(compression.command, { stdin: payload, ignoreTrailing: true });
}

function requirePvhEntry(kernel: Uint8Array): void {
  if (new Elf(kernel).note("Xen", PVH_ENTRY_NOTE) === undefined) {
    throw new Error("no PVH entry (CONFIG_PVH is off)");
  }
}
