import { exists } from "../../common/base/exists.ts";
import { withDeadline } from "../../common/base/deadline.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { exitText } from "./exit_text.ts";
import { RunningVmProcess, type VmProcessOptions } from "./vm_process.ts";

export interface ServingProcessOptions extends VmProcessOptions {
  /** The Unix socket that it is to make, in an existing folder. */
  readonly socket: string;
  /** The socket's name as the process binds it, where that is another one. */
  readonly socketName?: string;
  /** How long it may take for that, in milliseconds. */
  readonly readyMs: number;
}

/**
 * Starts a process of a VM that serves a Unix socket, and waits until that is there.
 * @throws {RuntimeError} AlreadyExists: something has that path. Unavailable: the process ended at once, with its last
 * words. DeadlineExceeded: no socket. Nothing runs then.
 */
export async function startServing(
  options: ServingProcessOptions,
  signal: AbortSignal,
): Promise<RunningVmProcess> {
  const { role, argv, socket, socketName = socket, readyMs } = options;
  if (exists(socket)) {
    throw new RuntimeError(
      Code.AlreadyExists,
      `Cannot start ${role}: "${socket}" is there already`,
    );
  }
  using watcher = Deno.watchFs(socket.replace(/\/[^/]*$/, ""), { recursive: false });
  const process = RunningVmProcess.spawn(options);
  try {
    const ended = process.exited.then((status) => {
      const text = exitText(status, process.output.lines(5));
      throw new RuntimeError(Code.Unavailable, `${role} did not start: ${argv[0]} ${text}`);
    });
    ended.catch(() => {}); // lost the race below
    const over = new AbortController();
    const ready = listens(process.pid, watcher, { socket, socketName }, over.signal);
    try {
      await withDeadline(Promise.race([ready, ended]), readyMs, `Start of ${argv[0]}`, signal);
    } finally {
      over.abort();
    }
    return process;
  } catch (error) {
    await process.kill();
    throw error;
  }
}

/** Between looks for what the kernel tells nobody: a socket that has its name, but does not listen yet. */
const LOOK_AGAIN_MS = 2;
/** Source: include/linux/net.h, SO_ACCEPTCON: the socket listens. */
const ACCEPTS = 0x10000;

async function listens(
  pid: number,
  watcher: Deno.FsWatcher,
  { socket, socketName }: { readonly socket: string; readonly socketName: string },
  over: AbortSignal,
): Promise<void> {
  await appeared(watcher, socket);
  while (!over.aborted && !isListening(await unixSockets(pid), socketName)) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function appeared(watcher: Deno.FsWatcher, path: string): Promise<void> {
  if (exists(path)) return;
  for await (const _ of watcher) if (exists(path)) return;
}

/** Those of the process's network namespace. To connect instead would use up the one peer that some programs take. */
async function unixSockets(pid: number): Promise<string> {
  try {
    return await Deno.readTextFile(`/proc/${pid}/net/unix`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return ""; // it has ended, which is told otherwise
  }
}

/** @param table Text of /proc/net/unix: `address: count protocol flags type state inode path`. Source: proc(5). */
export function isListening(table: string, path: string): boolean {
  return table.split("\n").some((line) => {
    const words = line.trim().split(/\s+/);
    return words.slice(7).join(" ") === path && (parseInt(words[3] ?? "0", 16) & ACCEPTS) !== 0;
  });
}
