import { assertEquals } from "@std/assert";
import { HostTree } from "./host_tree.ts";

Deno.test("HostTree leaves out the link that the kubelet is about to rename, and nothing else of that name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/..1`);
    await Deno.symlink("..1", `${folder}/..data`);
    await Deno.symlink("..1", `${folder}/..data_tmp`);
    await Deno.symlink("..1", `${folder}/..1/..data_tmp`);
    using tree = new HostTree(folder);
    const paths = (): string[] => tree.entries().map(({ path }) => path);
    assertEquals(paths(), ["", "..1", "..1/..data_tmp", "..data"]);
    await Deno.remove(`${folder}/..data_tmp`);
    await Deno.writeTextFile(`${folder}/..data_tmp`, "a user's");
    assertEquals(paths(), ["", "..1", "..1/..data_tmp", "..data", "..data_tmp"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
