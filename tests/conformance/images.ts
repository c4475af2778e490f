/** The images that the client tests pull, made of Debian's programs under the names that the tests ask for. */
import { imageBlobs } from "../support/oci_image.ts";
import type { TarEntry } from "../support/tar.ts";
import {
  busyboxLayer,
  dynamicProgram,
  ownProgram,
  PATH,
  programFile,
  type RegistryImage,
  textFile,
  withEntries,
} from "./image_parts.ts";

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

async function commonLayer(): Promise<TarEntry[]> {
  const layer = (await busyboxLayer()).filter(({ path }) => path !== "usr/bin/nc");
  return withEntries(layer, [
    ...accountFiles(),
    await programFile("bin/nc", await ownProgram("nc")),
  ]);
}

/** With a shell that the tests of user namespaces call, and a program with its set-user-id bit. */
async function ownershipLayer(common: readonly TarEntry[]): Promise<TarEntry[]> {
  return withEntries(common, [
    ...await dynamicProgram("/bin/bash"),
    await programFile("usr/bin/passwd", "/usr/bin/passwd", 0o4755),
    { kind: "directory", path: "test_dir/", mode: 0o755, owner: 65534 },
  ]);
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
  const common = await commonLayer();
  return [
    await image("containerd/busybox", "1.36", common),
    await image("containerd/volume-ownership", "2.1", await ownershipLayer(common)),
  ];
}
