import { Code, RuntimeError } from "../../common/base/errors.ts";
import { startServer } from "../shim/server_process.ts";
import { connectPod, type PodClient } from "./client.ts";
import { daemonFolder } from "./folder.ts";

/** The verb by which the program becomes a pod's daemon. */
export const DAEMON_VERB = "pod-daemon";

/** The pod that a daemon is started for. */
export interface NewPod {
  readonly root: string;
  readonly sandboxId: string;
  readonly config: string | undefined;
  readonly debug: boolean;
}

/** A daemon that was killed leaves its folder behind, which would be in the way. */
function makeFolder(path: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o711 });
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  Deno.mkdirSync(path, { mode: 0o700 });
}

/**
 * Starts the daemon of a new pod, detached from this process and its session.
 * @param env Its environment, with the `PATH` on which it finds the VMM.
 * @throws {RuntimeError} AlreadyExists; Unavailable: it does not listen, and why.
 */
export async function startPod(
  { root, sandboxId, config, debug }: NewPod,
  env: Readonly<Record<string, string>>,
): Promise<PodClient> {
  using running = await connectPod(root, sandboxId);
  if (running) throw new RuntimeError(Code.AlreadyExists, `Pod "${sandboxId}" is served already`);
  const folder = await daemonFolder(root, sandboxId);
  makeFolder(folder.path);
  const options = [...(config ? ["--config", config] : []), ...(debug ? ["--debug"] : [])];
  const args = ["--root", root, ...options, DAEMON_VERB, sandboxId];
  try {
    await startServer("kata-runtime", { args, cwd: "/", env, newSession: true }, () => {});
  } catch (error) {
    Deno.removeSync(folder.path, { recursive: true });
    throw error;
  }
  const client = await connectPod(root, sandboxId);
  if (client) return client;
  throw new RuntimeError(Code.Unavailable, `The daemon of pod "${sandboxId}" ended at once`);
}
