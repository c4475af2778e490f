import { sendAttachment } from "../../pod_daemon/attachment.ts";
import { type RelaySpec, startRelayProcess } from "./relay_process.ts";
import type { Streams } from "./streams.ts";

/** Longest wait for the daemon to take a process's streams, in milliseconds. */
const ATTACH_MS = 15_000;

/**
 * Starts the relay of a process and hands it to the pod's daemon, with its streams: both are the daemon's then.
 * @returns The relay's pid.
 * @throws {RuntimeError} The relay has ended then.
 */
export async function attachProcess(
  attachSocket: string,
  key: { readonly containerId: string; readonly execId: string },
  spec: Omit<RelaySpec, "terminal">,
  streams: Streams,
): Promise<number> {
  const { terminal, stdin, stdout, stderr } = streams;
  const { pid, channel } = await startRelayProcess({ ...spec, terminal });
  using _channel = channel;
  await sendAttachment(attachSocket, {
    ...key,
    pid,
    terminal: terminal !== undefined,
    channel: channel.fd,
    stdin,
    stdout,
    stderr,
  }, AbortSignal.timeout(ATTACH_MS));
  return pid;
}

/** Writes a pid where engines wait for it: they see all of it or nothing. */
export function writePidFile(path: string, pid: number): void {
  const slash = path.lastIndexOf("/") + 1;
  const partial = `${path.slice(0, slash)}.${path.slice(slash)}`;
  Deno.writeTextFileSync(partial, `${pid}`, { mode: 0o644 });
  Deno.renameSync(partial, path);
}
