import { sha256Hex } from "../../common/base/hex.ts";

/** Folder of all shims' sockets, shared with containerd's own shims. */
export const SOCKET_FOLDER = "/run/containerd/s";

/**
 * The socket of the shim that serves a sandbox, as a path.
 * Source: containerd's shim.SocketAddress: sha256 over the joined address, namespace and id.
 * @param containerdAddress containerd's gRPC socket; keeps two daemons' shims apart.
 */
export async function socketPath(
  containerdAddress: string,
  namespace: string,
  id: string,
): Promise<string> {
  const parts = [containerdAddress, namespace, id].filter((part) => part !== "");
  return `${SOCKET_FOLDER}/${await sha256Hex(parts.join("/"))}`;
}

/** Whether something accepts connections there. */
export async function isServed(path: string): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ transport: "unix", path });
    return true;
  } catch {
    return false; // absent, refused or not a socket: nobody serves it
  }
}
