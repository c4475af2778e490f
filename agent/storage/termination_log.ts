/** GetDiagnosticData: what a container says last, for a host that sees none of its files. */
import { O } from "../../common/linux/fd.ts";
import { open } from "../../common/linux/fd.ts";
import { openat2, RESOLVE } from "../../common/linux/openat2.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/** As much as Kubernetes keeps, in bytes. */
export const MAX_BYTES = 4096;
/** Where Kubernetes has it unless a pod says otherwise. */
const DEFAULT_PATH = "/dev/termination-log";
const PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath";

interface LoggedSpec {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly mounts?: readonly { readonly destination: string; readonly source?: string }[];
}

/**
 * Reads the file that a container's termination message is mounted from, if the host copied it to below `root`.
 * @returns At most {@linkcode MAX_BYTES}; empty where there is none.
 */
export async function terminationLog(root: string, spec: LoggedSpec): Promise<string> {
  const path = spec.annotations?.[PATH_ANNOTATION] ?? DEFAULT_PATH;
  const source = spec.mounts?.findLast(({ destination }) => destination === path)?.source;
  if (!source?.startsWith(`${root}/`)) return "";
  try {
    using top = new OwnedFd(open(root, O.PATH | O.DIRECTORY));
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
    const how = { flags: O.RDONLY | O.NONBLOCK, resolve };
    using fd = new OwnedFd(openat2(top.fd, source.slice(root.length + 1), how));
    using file = await Deno.open(`/proc/self/fd/${fd.fd}`);
    const bytes = new Uint8Array(MAX_BYTES);
    return new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return "";
    throw error;
  }
}
