/** Runs the example of a remote hypervisor. */
import { denoConfig } from "../support/deno_config.ts";

export interface RemoteOptions {
  /** vhost-device-vsock. */
  readonly vsockDevice: string;
  /** The QEMU that it starts; the usual one when absent. */
  readonly qemu?: string;
  /** What it says of its interface; what it really speaks when absent. */
  readonly version?: string;
}

/** Longest wait for its socket. */
const READY_MS = 20_000;

/**
 * Starts it; it ends with this program.
 * @param socket A path for its socket, in a folder that exists.
 * @returns That path, once it listens there.
 */
export async function serveRemote(socket: string, options: RemoteOptions): Promise<string> {
  const { qemu, version, vsockDevice } = options;
  const program = new URL("./remote.ts", import.meta.url).pathname;
  using watcher = Deno.watchFs(socket.slice(0, socket.lastIndexOf("/")), { recursive: false });
  const deno = [Deno.execPath(), "run", "--quiet", "--no-check", "-A", "--config", denoConfig()];
  const programs = ["--vsock-device", vsockDevice, ...(qemu === undefined ? [] : ["--qemu", qemu])];
  const child = new Deno.Command("/usr/bin/setpriv", {
    args: ["--pdeathsig", "KILL", "--", ...deno, program, "--socket", socket, ...programs],
    env: version === undefined ? {} : { KATA_TEST_VMM_VERSION: version },
    stdin: "null",
  }).spawn();
  globalThis.addEventListener("unload", () => stop(child));
  child.unref();
  const late = setTimeout(() => watcher.close(), READY_MS);
  try {
    for await (const { paths } of watcher) {
      if (!paths.includes(socket)) continue;
      await accepts(socket);
      return socket;
    }
    throw new Error(`${program} does not listen on ${socket} after ${READY_MS} ms`);
  } finally {
    clearTimeout(late);
  }
}

/** Between attempts at a socket that has its name, but does not listen yet: the kernel tells nobody when it does. */
const LOOK_AGAIN_MS = 2;
const MAX_ATTEMPTS = 1000;

async function accepts(path: string): Promise<void> {
  for (let left = MAX_ATTEMPTS;; left--) {
    try {
      return (await Deno.connect({ transport: "unix", path })).close();
    } catch (error) {
      if (left === 0 || !(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function stop(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended already
  }
}
