import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";

/** What a kernel file holds. */
export type KernelFormat = "elf" | "bzimage" | "arm64";
/** How an initrd is packed. */
export type InitrdFormat = "cpio" | "gzip" | "zstd" | "xz" | "lz4" | "bzip2" | "lzma" | "lzo";

/** Bytes read from the start: enough for the boot header of a bzImage. */
const HEAD_BYTES = 1024;

/** Sources: the kernel's lib/decompress.c and Documentation/driver-api/early-userspace/buffer-format.rst. */
const INITRD_MAGICS: readonly (readonly [InitrdFormat, readonly number[]])[] = [
  ["cpio", [...new TextEncoder().encode("070701")]],
  ["cpio", [...new TextEncoder().encode("070702")]],
  ["gzip", [0x1f, 0x8b]],
  ["gzip", [0x1f, 0x9e]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzma", [0x5d, 0x00, 0x00]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
];

/**
 * Tells a kernel by its first bytes. Sources: ELF header; Documentation/arch/x86/boot.rst ("HdrS" at 0x202) and
 * arch/arm64/booting.rst ("ARM\x64" at 56).
 */
export function kernelFormat(head: Uint8Array): KernelFormat | undefined {
  if (startsWith(head, [0x7f, 0x45, 0x4c, 0x46])) return "elf";
  if (startsWith(head.subarray(0x202), [0x48, 0x64, 0x72, 0x53])) return "bzimage";
  if (startsWith(head.subarray(56), [0x41, 0x52, 0x4d, 0x64])) return "arm64";
  return undefined;
}

/** Tells an initrd by its first bytes. */
export function initrdFormat(head: Uint8Array): InitrdFormat | undefined {
  return INITRD_MAGICS.find(([, magic]) => startsWith(head, magic))?.[0];
}

/** @throws {RuntimeError} InvalidArgument, naming file and key. */
export async function checkKernel(path: string): Promise<KernelFormat> {
  const format = kernelFormat(await readHead(path, "kernel"));
  if (format) return format;
  throw invalid(
    `kernel = ${
      JSON.stringify(path)
    }: not a Linux kernel (no ELF image, bzImage or Image of arm64)`,
  );
}

/** @throws {RuntimeError} InvalidArgument, naming file and key. */
export async function checkInitrd(path: string): Promise<InitrdFormat> {
  const format = initrdFormat(await readHead(path, "initrd"));
  if (format) return format;
  throw invalid(
    `initrd = ${
      JSON.stringify(path)
    }: not an initrd (no cpio archive, and no compression Linux knows)`,
  );
}

/** @throws {RuntimeError} InvalidArgument: cannot be opened for reading; names file and key. */
export async function checkReadable(path: string, key: string): Promise<void> {
  try {
    (await openFile(path)).close();
  } catch (error) {
    throw invalid(`${key} = ${JSON.stringify(path)}: cannot be read`, error);
  }
}

/** Opening a pipe would wait for its other end. */
async function openFile(path: string): Promise<Deno.FsFile> {
  if ((await Deno.stat(path)).isFifo) throw new Error("it is a pipe");
  return await Deno.open(path);
}

async function readHead(path: string, key: string): Promise<Uint8Array> {
  try {
    using file = await openFile(path);
    const head = new Uint8Array(HEAD_BYTES);
    return head.subarray(0, await file.read(head) ?? 0);
  } catch (error) {
    throw invalid(`${key} = ${JSON.stringify(path)}: cannot be read`, error);
  }
}

function invalid(message: string, cause?: unknown): RuntimeError {
  const text = cause === undefined ? message : `${message}: ${messageOf(cause)}`;
  return new RuntimeError(Code.InvalidArgument, text);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
