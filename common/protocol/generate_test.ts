import { assertEquals } from "@std/assert";
import { generate } from "./generate.ts";

/** Folders with protos and the code made from them. */
const FOLDERS = ["common/protocol", "tests/support/cri"];

const root = `${import.meta.dirname}/../..`;
for (const folder of FOLDERS) await checkGenerated(folder);

async function checkGenerated(name: string): Promise<void> {
  const folder = `${root}/${name}`, fresh = await Deno.makeTempDir();
  const failed = await generate(fresh, true, folder).then(() => undefined, (error: Error) => error);
  const missingTools = failed !== undefined && /cached|not found/i.test(failed.message);
  const why = missingTools ? " (not tried: buf is not in Deno's cache)" : "";
  Deno.test({
    name: `${name}/gen is what ${name}/protos makes${why}`,
    ignore: missingTools,
    fn: async () => {
      if (failed !== undefined) throw failed;
      assertEquals(await files(`${folder}/gen`), await files(fresh));
      await Deno.remove(fresh, { recursive: true });
    },
  });
}

/** Contents by path, of a folder and those below. */
async function files(folder: string, prefix = ""): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFile) found.set(prefix + entry.name, await Deno.readTextFile(path));
    else {for (const [name, text] of await files(path, `${prefix}${entry.name}/`)) {
        found.set(name, text);
      }}
  }
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}
