import { assert, assertEquals, assertThrows } from "@std/assert";
import { makeBlockDevice, makeFifo } from "./nodes.ts";
import { SyscallError } from "./syscall_error.ts";

Deno.test("makeFifo makes a FIFO, and nothing where a file is", async () => {
  const folder = await Deno.makeTempDir();
  try {
    makeFifo(`${folder}/fifo`, 0o600);
    const { isFifo, mode } = await Deno.stat(`${folder}/fifo`);
    assert(isFifo);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    assertThrows(() => makeFifo(`${folder}/fifo`, 0o600), SyscallError, "EEXIST");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "makeBlockDevice makes a name for the same device",
  ignore: Deno.uid() !== 0,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      makeBlockDevice(`${folder}/disk`, 0o600, 7 * 256);
      const { isBlockDevice, rdev } = await Deno.stat(`${folder}/disk`);
      assertEquals([isBlockDevice, rdev], [true, 7 * 256]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
