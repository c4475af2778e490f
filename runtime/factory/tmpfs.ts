import { mount, MS } from "../../common/linux/mount.ts";
import { fileSystemType, TMPFS_MAGIC } from "../../common/linux/statfs.ts";

/** Makes the folder, on a tmpfs: it becomes one of its own where it is not on one already. */
export function ensureTmpfs(folder: string): void {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (fileSystemType(folder) === TMPFS_MAGIC) return;
  mount("tmpfs", folder, "tmpfs", MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=0700");
}
