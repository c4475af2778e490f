/** A containerd 2.x that knows the blockfile snapshotter: each root file system is an image of its own. */
import { output } from "../../tools/lib/command.ts";
import { Containerd } from "../support/containerd.ts";
import { rounds } from "../support/full.ts";
import { MANY_FILES } from "../support/storage/posix_tools.ts";

/** Room for the files of one folder; a block each. */
const SIZE = rounds(64, 256) + "M", INODES = MANY_FILES + 4096;

/**
 * Its snapshots are copies of an empty file system in a file.
 * @param bin Folder of its program. @param folder Where they are.
 */
export async function blockfileContainerd(bin: string, folder: string): Promise<Containerd> {
  const scratch = `${folder}/scratch.img`;
  await output(["mkfs.ext4", "-q", "-F", "-b", "1024", "-N", `${INODES}`, scratch, SIZE]);
  return await Containerd.start({
    program: `${bin}/containerd`,
    config: `[plugins."io.containerd.snapshotter.v1.blockfile"]
  root_path = "${folder}/snapshots"
  scratch_file = "${scratch}"
  fs_type = "ext4"`,
  });
}
