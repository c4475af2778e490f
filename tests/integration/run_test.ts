import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { sha256 } from "../../tools/lib/hash.ts";
import { Containerd, SHIM_NAME, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { transportCases } from "./transports.ts";

const MIB = 1024 * 1024;
const transports = await transportCases();

/** Bytes that compress badly and repeat late. */
function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

for (const { name, flags, unavailable } of transports) {
  const title = unavailable ? `over ${name} (${unavailable})` : `over ${name}`;
  const ignore = unavailable !== undefined;

  Deno.test({ name: `ctr run ${title}`, ignore }, async (test) => {
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const host = Deno.osRelease();

      await test.step("prints the guest's kernel and both streams, and exits as told", async () => {
        const command = "uname -r; echo out; echo err >&2; exit 7";
        const result = await containerd.run("t1", ["sh", "-c", command], { flags });
        const [kernel, out] = result.stdout.split("\n");
        assertEquals([out, result.stderr.trim(), result.code], ["out", "err", 7]);
        assertNotEquals(kernel, host);
      });

      await test.step("finds the shim by name", async () => {
        const result = await containerd.run("t2", ["echo", "hi"], { runtime: SHIM_NAME, flags });
        assertEquals([result.stdout, result.code], ["hi\n", 0], result.stderr);
      });

      await test.step("returns stdin and ends", async () => {
        const result = await containerd.run("t3", ["cat"], { flags, stdin: "hello\n" });
        assertEquals([result.stdout, result.code], ["hello\n", 0], result.stderr);
      });

      await test.step("carries 64 MiB out of the container unharmed", async () => {
        const make =
          "dd if=/dev/urandom of=/big bs=1M count=64 2>/dev/null; sha256sum </big >&2; cat /big";
        const child = new Deno.Command("ctr", {
          args: containerd.argv(
            "run",
            "--rm",
            "--runtime",
            SHIM_PATH,
            ...flags,
            "docker.io/library/busybox:latest",
            "t4",
            "sh",
            "-c",
            make,
          ).slice(1),
          stdin: "null",
          stdout: "piped",
          stderr: "piped",
        });
        const { stdout, stderr, code } = await child.output();
        assertEquals([code, stdout.length], [0, 64 * MIB]);
        assertStringIncludes(new TextDecoder().decode(stderr), await sha256(stdout));
      });

      await test.step("carries 64 MiB into the container unharmed", async () => {
        const input = noise(64 * MIB);
        const result = await containerd.run("t5", ["sha256sum"], { flags, stdin: input });
        assertStringIncludes(result.stdout, await sha256(input), result.stderr);
        assertEquals(result.code, 0);
      });
    }
    assertEquals(await leaks(before), []);
  });
}

Deno.test("ctr run: at least one transport could be tried", () => {
  assert(transports.some(({ unavailable }) => unavailable === undefined));
});
