import { assertEquals } from "@std/assert";
import { MAX_BYTES, terminationLog } from "./termination_log.ts";

Deno.test("terminationLog reads what was copied, bounded, and nothing else", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/log`, "x".repeat(MAX_BYTES + 1));
    await Deno.symlink("/etc/passwd", `${root}/link`);
    const read = (source: string): Promise<string> =>
      terminationLog(root, { mounts: [{ destination: "/dev/termination-log", source }] });
    assertEquals((await read(`${root}/log`)).length, MAX_BYTES);
    for (
      const other of [`${root}/link`, `${root}/none`, "/etc/passwd", `${root}/../../etc/passwd`]
    ) {
      assertEquals(await read(other), "");
    }
    const annotations = { "io.kubernetes.container.terminationMessagePath": "/else" };
    const mounts = [{ destination: "/else", source: `${root}/log` }];
    assertEquals((await terminationLog(root, { annotations, mounts })).length, MAX_BYTES);
    assertEquals(await terminationLog(root, {}), "");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
