import { sha256Hex } from "../../common/base/hex.ts";

/** Where pods' daemons have their sockets and logs. */
const DAEMONS = "/run/kata-containers/daemons";

/** The places of one pod's daemon. */
export interface DaemonFolder {
  readonly path: string;
  /** Serves the Task API. */
  readonly socket: string;
  /** Takes the streams and relays of processes that are about to be made. */
  readonly attachSocket: string;
  readonly log: string;
}

/**
 * The folder of the daemon that serves a pod: the same for every call of the command line, and another for each
 * `--root`, as two engines may use the same ids.
 */
export async function daemonFolder(root: string, sandboxId: string): Promise<DaemonFolder> {
  const digest = await sha256Hex(`${root}\n${sandboxId}`);
  const path = `${DAEMONS}/${digest.slice(0, 32)}`;
  return { path, socket: `${path}/task`, attachSocket: `${path}/attach`, log: `${path}/log` };
}
