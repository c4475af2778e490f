import { output } from "../../tools/lib/command.ts";
import type { CriNode } from "../support/cri/node.ts";

/** A folder of the host that is a mount of its own and passes mounts on, with another one to mount from. */
export class SharedFolder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(node: CriNode): Promise<SharedFolder> {
    const path = await Deno.makeTempDir({ dir: node.containerd.directory });
    await output(["mount", "--bind", path, path]);
    await output(["mount", "--make-shared", path]);
    await Deno.mkdir(`${path}/sub`);
    return new SharedFolder(path);
  }

  /** Mounts a tmpfs with one file on the folder `sub`. */
  async mountBelow(): Promise<void> {
    await output(["mount", "-t", "tmpfs", "tmpfs", `${this.path}/sub`]);
    await Deno.writeTextFile(`${this.path}/sub/flag`, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output(["umount", "-R", "-l", this.path]);
    await Deno.remove(this.path, { recursive: true });
  }
}
