/** The images that pods are made of, besides busybox. */
import { compileC, cProgramKey } from "../../../tools/lib/c_program.ts";
import { cacheDir } from "../../../tools/lib/paths.ts";
import { sha256 } from "../../../tools/lib/hash.ts";
import { busyboxContent, busyboxImage } from "../busybox_image.ts";
import { type ImageSpec, packImage } from "../oci_image.ts";

/** The image of the process that holds a pod. */
export const PAUSE = "registry.test/pause:1";
/** busybox with a user "app" (1000) who belongs to group 50000, as its default user. */
export const GROUPS = "registry.test/groups:1";
/** Prints its effective user id; its program /bin/euid is set-user-ID root. */
export const EUID = "registry.test/euid:1";

const SOURCES = "tests/support/cri";

/** A static program of ours, compiled once. */
async function program(name: string): Promise<Uint8Array> {
  const source = `${SOURCES}/${name}.c`;
  const folder = `${cacheDir()}/images`;
  const path = `${folder}/${name}-${(await cProgramKey(source, name)).slice(0, 16)}`;
  const there = await Deno.stat(path).then(() => true, () => false);
  await Deno.mkdir(folder, { recursive: true });
  if (!there) await compileC(source, path);
  return await Deno.readFile(path);
}

/** What the image {@linkcode PAUSE} is made of. */
export async function pauseSpec(): Promise<ImageSpec> {
  const content = await program("pause");
  return {
    name: PAUSE,
    layer: [{ kind: "file", path: "pause", mode: 0o755, content }],
    command: [],
    entrypoint: ["/pause"],
    env: [],
  };
}

async function euidSpec(): Promise<ImageSpec> {
  const content = await program("euid");
  const { entries, env, command } = await busyboxContent();
  const layer = [...entries, { kind: "file", path: "bin/euid", mode: 0o4755, content } as const];
  return { name: EUID, layer, command, env };
}

async function groupsSpec(): Promise<ImageSpec> {
  const { entries, env, command } = await busyboxContent({
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:1000:\nimage-group:x:50000:app\n",
  });
  return { name: GROUPS, layer: entries, command, env, user: "1000" };
}

async function archive(spec: ImageSpec): Promise<string> {
  const content = await packImage(spec);
  const path = `${cacheDir()}/images/${(await sha256(content)).slice(0, 24)}.tar`;
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  const partial = await Deno.makeTempFile({ dir: `${cacheDir()}/images` });
  await Deno.writeFile(partial, content);
  await Deno.rename(partial, path);
  return path;
}

/** Archives of all images, by name. */
export async function podImages(): Promise<ReadonlyMap<string, string>> {
  const specs = [await pauseSpec(), await euidSpec(), await groupsSpec()];
  const made = specs.map(async (spec) => [spec.name, await archive(spec)] as const);
  return new Map([
    ["docker.io/library/busybox:latest", await busyboxImage()],
    ...await Promise.all(made),
  ]);
}
