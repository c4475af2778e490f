import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { MIN_QEMU_VERSION } from "./options.ts";
import { has, qemuRelease } from "./release.ts";

/** A program that answers as `says`, and a folder for what was found out. */
async function withProgram(
  says: string,
  use: (options: { path: string; cacheDir: string }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/qemu`;
  try {
    await Deno.writeTextFile(path, `#!/bin/sh\n${says}\n`, { mode: 0o755 });
    await use({ path, cacheDir: `${folder}/cache` });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function test(name: string, fn: () => Promise<void>): void {
  // The program's one reaper stays between tests.
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("qemuRelease asks a program once", () =>
  withProgram(
    'echo "QEMU emulator version 8.1.5"; echo asked >> "$0.log"',
    async (options) => {
      for (let n = 0; n < 3; n++) assertEquals(await qemuRelease(options), { major: 8, minor: 1 });
      assertEquals(await Deno.readTextFile(`${options.path}.log`), "asked\n");
    },
  ));

test("qemuRelease refuses what is too old, and takes what says nothing for the oldest", async () => {
  await withProgram('echo "QEMU emulator version 5.1.9"', async (options) => {
    await assertRejects(() => qemuRelease(options), RuntimeError, "QEMU 5.1 is too old");
  });
  await withProgram("exit 3", async (options) => {
    assertEquals(await qemuRelease(options), MIN_QEMU_VERSION);
  });
});

Deno.test("has compares releases by both numbers", () => {
  assert(has({ major: 6, minor: 1 }, "memory without reserve"));
  assert(has({ major: 10, minor: 0 }, "memory without reserve"));
  assert(!has({ major: 6, minor: 0 }, "memory without reserve"));
});
