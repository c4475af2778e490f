import { startServing } from "../serving_process.ts";
import type { RunningVmProcess } from "../vm_process.ts";

/** How long the program may take to open its socket. */
const READY_MS = 3000;
/** Any will do: the program serves one VM, so nobody else sees the number. */
const GUEST_CID = 3;
const USUAL_PLACES = ["/usr/libexec", "/usr/bin", "/usr/local/bin"];
const PROGRAM = "vhost-device-vsock";

/** The program, if the host has it: as configured, beside our own, or in the usual places. */
export function findVhostDeviceVsock(configured: string): string | undefined {
  if (configured !== "") return isFile(configured) ? configured : undefined;
  const own = Deno.execPath().replace(/\/[^/]*$/, "");
  return [own, ...USUAL_PLACES].map((folder) => `${folder}/${PROGRAM}`).find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

export interface VhostDeviceVsock {
  readonly process: RunningVmProcess;
  /** Where QEMU finds the device. */
  readonly deviceSocket: string;
  /** Where a host program says `CONNECT <port>`; guests' connections arrive at this path + `_<port>`. */
  readonly hostSocket: string;
}

/**
 * Starts the program that serves one VM's AF_VSOCK. It cannot be replaced while the VM runs: its end is the VM's.
 * @throws {RuntimeError} Unavailable: it ended at once, with its last words. DeadlineExceeded: no socket.
 */
export async function startVhostDeviceVsock(
  program: string,
  stateDir: string,
  signal: AbortSignal,
): Promise<VhostDeviceVsock> {
  const deviceSocket = `${stateDir}/vhost.sock`, hostSocket = `${stateDir}/vsock.sock`;
  const vm = `guest-cid=${GUEST_CID},socket=${deviceSocket},uds-path=${hostSocket}`;
  const argv = [program, "--vm", vm];
  const options = { role: PROGRAM, argv, stateDir, socket: deviceSocket, readyMs: READY_MS };
  return { process: await startServing(options, signal), deviceSocket, hostSocket };
}
