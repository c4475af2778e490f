import { assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { checkInitrd, checkKernel, initrdFormat, kernelFormat } from "./boot_file.ts";

Deno.test("kernelFormat and initrdFormat tell formats by magic", () => {
  const bzImage = new Uint8Array(1024);
  bzImage.set(new TextEncoder().encode("HdrS"), 0x202);
  assertEquals(kernelFormat(bzImage), "bzimage");
  assertEquals(kernelFormat(new Uint8Array([0x7f, 0x45, 0x4c, 0x46])), "elf");
  assertEquals(kernelFormat(new Uint8Array()), undefined);
  assertEquals(initrdFormat(new TextEncoder().encode("070701000")), "cpio");
  assertEquals(initrdFormat(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0])), "zstd");
  assertEquals(initrdFormat(new TextEncoder().encode("hello")), undefined);
});

Deno.test("checkKernel and checkInitrd name file and key", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "not a kernel");
    await assertRejects(
      () => checkKernel(file),
      RuntimeError,
      `kernel = ${JSON.stringify(file)}: not a Linux kernel`,
    );
    await assertRejects(
      () => checkInitrd(file),
      RuntimeError,
      `initrd = ${JSON.stringify(file)}: not an initrd`,
    );
    await assertRejects(
      () => checkKernel("/nonexistent/vmlinux"),
      RuntimeError,
      'kernel = "/nonexistent/vmlinux"',
    );
    await assertRejects(() => checkInitrd("/"), RuntimeError, 'initrd = "/": cannot be read');
  } finally {
    await Deno.remove(file);
  }
});
