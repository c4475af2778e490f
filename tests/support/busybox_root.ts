/** The test image's root file system as a folder, and as images of file systems. */
import { output } from "../../tools/lib/command.ts";
import { busyboxEntries } from "./busybox_image.ts";
import { packTar } from "./tar.ts";

/** Unpacks the image's files into a new folder, which the caller removes. */
export async function busyboxRoot(folder: string): Promise<string> {
  const program = await Deno.readFile("/bin/busybox");
  const applets = (await output(["/bin/busybox", "--list-full"])).trim().split("\n");
  const path = `${folder}/busybox`;
  await Deno.mkdir(path);
  await Deno.writeFile(`${folder}/busybox.tar`, packTar(busyboxEntries(program, applets)));
  await output(["tar", "-C", path, "-xf", `${folder}/busybox.tar`]);
  return path;
}

/** An image of a file system with a folder's files in it. */
export async function fileSystemImage(
  fstype: "ext4" | "xfs" | "erofs",
  from: string,
  path: string,
  spareMiB = 64,
): Promise<string> {
  if (fstype === "erofs") await output(["mkfs.erofs", "-T0", path, from]);
  else if (fstype === "ext4") await ext4Image(from, path, spareMiB);
  else await xfsImage(from, path);
  return path;
}

/** As large as its files and as much again, with room to write to. */
async function ext4Image(from: string, path: string, spareMiB: number): Promise<void> {
  const kib = Number.parseInt(await output(["du", "-sk", from]));
  await output(["mkfs.ext4", "-q", "-F", "-d", from, path, `${spareMiB * 1024 + 2 * kib}k`]);
}

/** mkfs.xfs takes no folder: it is filled through a mount. */
async function xfsImage(from: string, path: string): Promise<void> {
  await output(["truncate", "-s", "320M", path]);
  await output(["mkfs.xfs", "-q", path]);
  const point = `${path}.mnt`;
  await Deno.mkdir(point);
  await output(["mount", "-o", "loop", path, point]);
  await output(["cp", "-a", `${from}/.`, point]);
  await output(["umount", point]);
  await Deno.remove(point);
}
