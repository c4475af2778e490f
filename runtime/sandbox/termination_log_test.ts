import { assertEquals } from "@std/assert";
import { fetchTerminationLog, terminationFile } from "./termination_log.ts";

const says = (data: string) => ({ getDiagnosticData: () => Promise.resolve({ data }) });

Deno.test("terminationFile is the source of the mount that the pod names", () => {
  const mounts = [{ destination: "/dev/termination-log", source: "/a" }, {
    destination: "/else",
    source: "/b",
  }];
  assertEquals(terminationFile({ mounts }), "/a");
  const annotations = { "io.kubernetes.container.terminationMessagePath": "/else" };
  assertEquals(terminationFile({ mounts, annotations }), "/b");
  assertEquals(terminationFile({}), undefined);
});

Deno.test("fetchTerminationLog writes at most 4 KiB, through no link, and never throws", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/log`, "");
    await fetchTerminationLog(says("é".repeat(5000)), "c", `${folder}/log`);
    assertEquals((await Deno.stat(`${folder}/log`)).size, 4096);
    await Deno.writeTextFile(`${folder}/precious`, "data");
    await Deno.symlink(`${folder}/precious`, `${folder}/link`);
    await fetchTerminationLog(says("x"), "c", `${folder}/link`);
    assertEquals(await Deno.readTextFile(`${folder}/precious`), "data");
    await fetchTerminationLog(says("x"), "c", `${folder}/none`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
