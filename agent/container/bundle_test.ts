import { assertEquals } from "@std/assert";
import { removeBundle, writeBundle } from "./bundle.ts";
import { GUEST_PATHS } from "./paths.ts";

const SPEC = { ociVersion: "1.0.2", mounts: [], linux: { namespaces: [] } };
const mode = (path: string): number => (Deno.statSync(path).mode ?? 0) & 0o777;

Deno.test("a bundle is nobody else's, and the folder that it is the first in lets others pass", async () => {
  const folder = await Deno.makeTempDir();
  const paths = { ...GUEST_PATHS, run: `${folder}/run/kata` };
  const bundle = await writeBundle(paths, "c", SPEC);
  assertEquals(mode(bundle), 0o700);
  for (const above of [`${folder}/run`, paths.run]) assertEquals(mode(above) & 0o111, 0o111);
  await removeBundle(bundle);
  assertEquals([...Deno.readDirSync(paths.run)], []);
  await Deno.remove(folder, { recursive: true });
});
