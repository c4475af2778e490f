/** The images that the client tests pull, made of Debian's programs under the names that the tests ask for. */
import { output } from "../../tools/lib/command.ts";
import { compileC, cProgramKey } from "../../tools/lib/c_program.ts";
import { cacheDir } from "../../tools/lib/paths.ts";
import { busyboxEntries } from "../support/busybox_image.ts";
import { type Blob, imageBlobs } from "../support/oci_image.ts";
import type { TarEntry } from "../support/tar.ts";

/** An image of the registry. */
export interface RegistryImage {
  /** Without the registry's host, such as `containerd/busybox`. */
  readonly repository: string;
  readonly tag: string;
  /** The first is its manifest. */
  readonly blobs: readonly [Blob, ...Blob[]];
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Users and groups of the image that the tests expect. */
const ACCOUNTS: Readonly<Record<string, number>> = {
  ...{ root: 0, daemon: 1, bin: 2, sys: 3, mail: 8, "www-data": 33, nobody: 65534 },
};

function accountFiles(): TarEntry[] {
  const passwd = Object.entries(ACCOUNTS)
    .map(([name, id]) => `${name}:x:${id}:${id}:${name}:/:/bin/sh\n`);
  const group = Object.entries(ACCOUNTS).map(([name, id]) => `${name}:x:${id}:\n`);
  return [textFile("etc/passwd", passwd.join("")), textFile("etc/group", group.join(""))];
}

function textFile(path: string, text: string): TarEntry {
  return { kind: "file", path, mode: 0o644, content: new TextEncoder().encode(text) };
}

async function programFile(path: string, from: string, mode = 0o755): Promise<TarEntry> {
  return { kind: "file", path: path.replace(/^\//, ""), mode, content: await Deno.readFile(from) };
}

/** Our nc, compiled once. */
async function ncProgram(): Promise<string> {
  const source = "tests/conformance/nc.c", folder = `${cacheDir()}/conformance`;
  const path = `${folder}/nc-${(await cProgramKey(source, "nc")).slice(0, 16)}`;
  if (!await Deno.stat(path).then(() => true, () => false)) await compileC(source, path);
  return path;
}

async function busyboxLayer(): Promise<TarEntry[]> {
  const applets = (await output(["/bin/busybox", "--list-full"])).trim().split("\n");
  const entries = busyboxEntries(await Deno.readFile("/bin/busybox"), applets);
  const own = [...accountFiles(), await programFile("bin/nc", await ncProgram())];
  const replaced = new Set([...own.map(({ path }) => path), "usr/bin/nc"]);
  return [...entries.filter(({ path }) => !replaced.has(path)), ...own];
}

/** A program of the machine and the libraries that it loads. */
async function dynamicProgram(path: string): Promise<TarEntry[]> {
  const libraries = (await output(["ldd", path])).split(/\s+/).filter((word) =>
    word.startsWith("/")
  );
  return await Promise.all([path, ...libraries].map((each) => programFile(each, each)));
}

function folders(entries: readonly TarEntry[], known: readonly TarEntry[]): TarEntry[] {
  const have = new Set(known.map(({ path }) => path));
  const wanted = entries.flatMap(({ path }) => {
    const parts = path.split("/").slice(0, -1);
    return parts.map((_, at) => parts.slice(0, at + 1).join("/") + "/");
  });
  return [...new Set(wanted)].filter((path) => !have.has(path)).sort()
    .map((path) => ({ kind: "directory", path, mode: 0o755 }));
}

/** With a shell that the tests of user namespaces call, and a program with its set-user-id bit. */
async function ownershipLayer(busybox: readonly TarEntry[]): Promise<TarEntry[]> {
  const setuid = await programFile("usr/bin/passwd", "/usr/bin/passwd", 0o4755);
  const added = [...await dynamicProgram("/bin/bash"), setuid];
  const replaced = new Set(added.map(({ path }) => path));
  const kept = busybox.filter(({ path }) => !replaced.has(path));
  const owned: TarEntry = { kind: "directory", path: "test_dir/", mode: 0o755, owner: 65534 };
  return [...kept, ...folders(added, kept), ...added, owned];
}

async function image(
  repository: string,
  tag: string,
  layer: readonly TarEntry[],
): Promise<RegistryImage> {
  const name = `${repository}:${tag}`;
  const blobs = await imageBlobs({ name, layer, command: ["sh"], env: [PATH] });
  return { repository, tag, blobs };
}

/** All of them. @throws {Error} A Debian package is missing. */
export async function registryImages(): Promise<RegistryImage[]> {
  const busybox = await busyboxLayer();
  return [
    await image("containerd/busybox", "1.36", busybox),
    await image("containerd/volume-ownership", "2.1", await ownershipLayer(busybox)),
  ];
}
