import { isErrno } from "../../common/linux/syscall_error.ts";
import { deleteLink, listLinks } from "../../common/linux/rtnetlink/link.ts";
import { removeRateLimit, removeRedirect } from "../../common/linux/rtnetlink/traffic.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { removeMacvtaps } from "./macvtap.ts";
import { NetworkNamespace } from "./namespace.ts";
import { isOurTap } from "./scan.ts";

/** What must outlive the shim of a sandbox's network, as plain JSON. */
export interface SavedNetwork {
  /** Where the engine keeps the pod's namespace; absent: it was made for the pod, and went with its processes. */
  readonly netnsPath?: string;
}

/**
 * Takes back what a sandbox's network changed in the pod's namespace and on the host, once its VM is gone. Our
 * filters, disciplines and devices are known by their names and numbers, so nothing but the namespace's path need be
 * saved, and it may have been saved before anything was made. Repeating is harmless.
 * @param key The sandbox's.
 */
export function cleanUpNetwork({ netnsPath }: SavedNetwork, key: string): void {
  removeMacvtaps(key);
  if (netnsPath === undefined) return;
  using namespace = openIfThere(netnsPath);
  if (!namespace) return;
  const { netlink } = namespace;
  for (const link of listLinks(netlink)) {
    removeRedirect(netlink, link.index);
    removeRateLimit(netlink, link.index);
    if (isOurTap(link)) deleteLink(netlink, `remove "${link.name}"`, link.index);
  }
}

function openIfThere(path: string): NetworkNamespace | undefined {
  try {
    return NetworkNamespace.open(path);
  } catch (error) {
    // The engine has removed it, or its mount and left the file: then what was inside is gone.
    const { cause } = error as Error;
    if (isErrno(cause, "ENOENT", "EINVAL", "ENOTDIR")) return undefined;
    if (error instanceof RuntimeError && error.code === Code.InvalidArgument && !cause) {
      return undefined;
    }
    throw error;
  }
}
