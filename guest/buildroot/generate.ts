/**
 * Writes board/kata/rootfs.list from guest/rootfs.json, so that Buildroot's
 * shell scripts need no JSON: deno run -A guest/buildroot/generate.ts
 */
import { appletLinks, type Manifest, readManifest } from "../build/manifest.ts";

/** The folder of the Buildroot external tree. */
export const BUILDROOT_DIR = new URL("./", import.meta.url).pathname;

/** Where the list lies. */
export const LIST_PATH = `${BUILDROOT_DIR}board/kata/rootfs.list`;

/** One line a thing; post-build.sh says what each means. */
export function rootfsList(manifest: Manifest): string {
  const aliases = manifest.programs.flatMap((program) => program.aliases ?? []);
  const links = [...manifest.symlinks, ...aliases, ...appletLinks(manifest.applets)];
  const lines = [
    ...manifest.directories.map(({ path, mode }) => `directory ${mode ?? "0755"} ${path}`),
    ...links.map(({ path, target }) => `link ${path} ${target}`),
    ...requiredPaths(manifest).map((path) => `require ${path}`),
  ];
  return "# Made from guest/rootfs.json by guest/buildroot/generate.ts.\n" +
    lines.map((line) => line + "\n").join("");
}

/** What the packages must have brought; libraries and plug-ins lie elsewhere in Buildroot. */
function requiredPaths(manifest: Manifest): string[] {
  const programs = manifest.programs.flatMap(({ files }) => files).map(({ path }) => path);
  return [
    ...programs.filter((path) => !path.startsWith("usr/lib/")),
    ...manifest.files.map(({ path }) => path),
    manifest.init.path,
    manifest.agent.path,
  ];
}

if (import.meta.main) await Deno.writeTextFile(LIST_PATH, rootfsList(await readManifest()));
