/** The image that tests run: Debian's busybox-static under every name it answers to. */
import { output } from "../../tools/lib/command.ts";
import { sha256 } from "../../tools/lib/hash.ts";
import { cacheDir } from "../../tools/lib/paths.ts";
import { packImage } from "./oci_image.ts";
import type { TarEntry } from "./tar.ts";

/** The name under which the image is imported. */
export const BUSYBOX = "docker.io/library/busybox:latest";

/** Debian's busybox-static. */
export const BUSYBOX_PATH = "/bin/busybox";
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Folders of the image besides those of its commands, with their modes. */
const FOLDERS: Readonly<Record<string, number>> = {
  "dev/": 0o755,
  "etc/": 0o755,
  "home/": 0o755,
  "proc/": 0o755,
  "root/": 0o700,
  "run/": 0o755,
  "sys/": 0o755,
  "tmp/": 0o1777,
  "var/": 0o755,
  "var/tmp/": 0o1777,
};

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

/** All folders on the way to the given paths, parents first. */
function parents(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) =>
    path.split("/").slice(0, -1).map((_, index, parts) => parts.slice(0, index + 1).join("/") + "/")
  );
  return [...new Set(folders)].sort();
}

function folder(path: string): TarEntry {
  return { kind: "directory", path, mode: FOLDERS[path] ?? 0o755 };
}

/** What the image holds, from the busybox program and the paths that it lists. */
export function busyboxEntries(
  program: Uint8Array,
  applets: readonly string[],
  files: Readonly<Record<string, string>> = FILES,
): TarEntry[] {
  const names = [...new Set([...applets, "bin/sh"])].filter((path) => path !== "bin/busybox")
    .sort();
  const folders = [...new Set([...Object.keys(FOLDERS), ...parents([...names, "bin/busybox"])])]
    .sort();
  const encoder = new TextEncoder();
  return [
    ...folders.map(folder),
    { kind: "file", path: "bin/busybox", mode: 0o755, content: program },
    ...names.map((path): TarEntry => ({ kind: "link", path, mode: 0o777, target: BUSYBOX_PATH })),
    ...Object.entries(files).map(([path, text]): TarEntry => (
      { kind: "file", path, mode: 0o644, content: encoder.encode(text) }
    )),
  ];
}

/** What an image on busybox's base is made of. */
export interface BusyboxContent {
  readonly entries: TarEntry[];
  readonly command: readonly string[];
  readonly env: readonly string[];
}

async function listApplets(): Promise<string[]> {
  return (await output([BUSYBOX_PATH, "--list-full"])).trim().split("\n");
}

/** The parts of the image, for images that have it as their base. @param files Text files in place of the usual ones. */
export async function busyboxContent(
  files: Readonly<Record<string, string>> = {},
): Promise<BusyboxContent> {
  const program = await Deno.readFile(BUSYBOX_PATH);
  const entries = busyboxEntries(program, await listApplets(), { ...FILES, ...files });
  return { entries, command: ["/bin/sh"], env: [PATH] };
}

/**
 * The image as an archive in the cache, written when this busybox was not seen before.
 * @returns The archive's path.
 * @throws {Error} busybox-static is not installed.
 */
export async function busyboxImage(): Promise<string> {
  const program = await Deno.readFile(BUSYBOX_PATH);
  const directory = `${cacheDir()}/images`;
  const path = `${directory}/busybox-2-${(await sha256(program)).slice(0, 16)}.tar`;
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  const { entries, ...config } = await busyboxContent();
  const image = await packImage({ name: BUSYBOX, layer: entries, ...config });
  await Deno.mkdir(directory, { recursive: true });
  const partial = await Deno.makeTempFile({ dir: directory });
  await Deno.writeFile(partial, image);
  await Deno.rename(partial, path);
  return path;
}
