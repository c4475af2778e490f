import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { growExt4, parseExt4Size } from "./ext4.ts";
import { SyscallError } from "./syscall_error.ts";
import { growXfs, xfsSize } from "./xfs.ts";

/** A superblock of 4 KiB blocks. */
function superblock(blocks: bigint, wide: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(1024));
  view.setUint32(0x4, Number(blocks & 0xffff_ffffn), true);
  view.setUint32(0x18, 2, true);
  view.setUint16(0x38, 0xef53, true);
  view.setUint32(0x60, wide ? 0x80 : 0, true);
  view.setUint32(0x150, Number(blocks >> 32n), true);
  return new Uint8Array(view.buffer);
}

Deno.test("parseExt4Size reads the number of blocks, in 64 bits where the file system has them", () => {
  const blocks = 0x1_0000_0002n;
  assertEquals(parseExt4Size(superblock(blocks, true)), { blockBytes: 4096, blocks });
  assertEquals(parseExt4Size(superblock(blocks, false)), { blockBytes: 4096, blocks: 2n });
});

Deno.test("parseExt4Size refuses what is no superblock", () => {
  assertThrows(() => parseExt4Size(new Uint8Array(1024)), RangeError);
  assertThrows(() => parseExt4Size(superblock(1n, true).subarray(1)), RangeError);
  fc.assert(fc.property(fc.uint8Array({ minLength: 1020, maxLength: 1030 }), (bytes) => {
    try {
      return parseExt4Size(bytes).blockBytes >= 1024;
    } catch (error) {
      return error instanceof RangeError;
    }
  }));
});

Deno.test("growing another file system fails with the kernel's error number", async () => {
  await assertRejects(
    () => growExt4("/proc", 1n),
    SyscallError,
    "EXT4_IOC_RESIZE_FS /proc: ENOTTY",
  );
  await assertRejects(() => growXfs("/proc", 1n), SyscallError, "/proc: ENOTTY");
  assertThrows(() => xfsSize("/proc"), SyscallError, "/proc: ENOTTY");
});
