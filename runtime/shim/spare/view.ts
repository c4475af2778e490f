import { sha256Hex } from "../../../common/base/hex.ts";
import { firstConfigFile } from "../../config/config_file.ts";

/** Namespaces in which a shim has to be its engine's neighbour. */
const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const LENGTH = 16;

/**
 * What a process sees of the host, as a name: its program, its namespaces and root, its user, and the configuration
 * file. Only a shim with the same view can stand in for one that the engine would start.
 * @param configFile The one that the engine's options or the environment name, if any.
 */
export async function viewOf(configFile: string | undefined): Promise<string> {
  const program = Deno.execPath(), folder = program.replace(/\/[^/]*$/, "");
  const view = [
    identity(program),
    identity("/proc/self/root/"),
    NAMESPACES.map((name) => Deno.readLinkSync(`/proc/self/ns/${name}`)),
    Deno.uid(),
    configFile || firstConfigFile(folder) || "",
  ];
  return (await sha256Hex(JSON.stringify(view))).slice(0, LENGTH);
}

/** The same as long as the same file is there, unchanged. */
function identity(path: string): unknown {
  const { dev, ino, mtime } = Deno.statSync(path);
  return [dev, ino, path.endsWith("/") ? null : mtime?.getTime()];
}
