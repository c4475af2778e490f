/**
 * Debian's other busybox. The shell of busybox-static runs commands itself instead of looking for them, so that one
 * which is masked would run all the same; this one cannot be installed beside it.
 */
import { resolvePackages, unpackPackages } from "../../guest/build/packages.ts";
import { cacheDir } from "../../tools/lib/paths.ts";

/** Where the program is once it was fetched. */
export function shellPath(): string {
  return `${cacheDir()}/conformance/busybox`;
}

/** Fetches it where it is missing. @throws {Error} apt does not offer it. */
export async function prepareShell(): Promise<void> {
  const path = shellPath();
  if (await Deno.stat(path).then(() => true, () => false)) return;
  const versions = await resolvePackages(["busybox"]);
  for (const { root } of await unpackPackages(versions, `${cacheDir()}/conformance`)) {
    await Deno.copyFile(`${root}/bin/busybox`, `${path}.partial`);
    await Deno.rename(`${path}.partial`, path);
  }
}
