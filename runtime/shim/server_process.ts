import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { close, pipe, writeSync } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { spawn } from "../../common/linux/spawn.ts";
import type { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";

/** The descriptor on which a server tells its starter how it fares. */
const REPORT_FD = 3;
/** What it reports when it listens; anything else is why it does not. */
const READY = "ready";

/** Longest time for a server to listen, in milliseconds. */
const SERVE_TIMEOUT_MS = 60_000;
const MAX_REPORT_BYTES = 4096;

/** How a server is started: by this same program. */
export interface ServerCommand {
  /** Its command line, without the program's name. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Leads a session of its own instead of a process group. */
  readonly newSession?: boolean;
}

/** Reads what the server reports until it closes the pipe, by will or by dying. */
async function readReport(report: FdStream): Promise<string> {
  const buffer = new Uint8Array(MAX_REPORT_BYTES);
  let length = 0;
  for (;;) {
    const count = await report.read(buffer.subarray(length), AbortSignal.timeout(SERVE_TIMEOUT_MS));
    if (count === null || length + count === buffer.length) break;
    length += count;
  }
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/**
 * Starts a server that outlives this process, and waits until it listens.
 * @param program Under which name this program is called: it acts by that.
 * @param started Called with its pid as soon as there is one.
 * @returns Its pid.
 * @throws {RuntimeError} Unavailable: it does not listen, and why.
 */
export async function startServer(
  program: string,
  { args, cwd, env, newSession = false }: ServerCommand,
  started: (pid: number) => void,
): Promise<number> {
  const [readEnd, writeEnd] = pipe();
  using report = new FdStream(readEnd);
  let pid: number;
  try {
    pid = spawn({
      argv: [program, ...args],
      program: Deno.execPath(),
      cwd,
      env,
      fds: { [REPORT_FD]: writeEnd },
      newSession,
      processGroup: !newSession,
    });
  } finally {
    close(writeEnd);
  }
  started(pid);
  const said = await readReport(report);
  if (said === READY) return pid;
  throw new RuntimeError(
    Code.Unavailable,
    said === "" ? "The server ended before it listened" : said,
  );
}

/** By what a server tells its starter how it fares; either method once. */
export interface StartReport {
  /** It listens. */
  ready(): void;
  /** It does not, and why. */
  failed(reason: string): void;
}

/** To the process that started this one, by the pipe that it left. */
export const toStarter: StartReport = {
  ready: () => report(READY),
  failed: report,
};

function report(text: string): void {
  writeSync(REPORT_FD, new TextEncoder().encode(text));
  close(REPORT_FD);
}

/** Only the owner may speak to the server: the socket is never anybody else's, not even for a moment. */
function listen(path: string, report: StartReport): Deno.UnixListener {
  const mask = Deno.umask(0o177);
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    report.failed(`Cannot listen on "${path}": ${messageOf(error)}`);
    throw error;
  } finally {
    Deno.umask(mask);
  }
}

/**
 * Serves connections at a Unix socket for its owner alone, until `signal`: answers at hand are sent then.
 * @returns Resolves when all is over.
 * @throws {Deno.errors.AddrInUse} The starter has been told.
 */
export function listenForOwner(
  path: string,
  server: TtrpcServer,
  signal: AbortSignal,
  report: StartReport = toStarter,
): Promise<void> {
  const listener = listen(path, report);
  signal.addEventListener("abort", () => listener.close());
  report.ready();
  return acceptAll(listener, server, signal);
}

async function acceptAll(
  listener: Deno.UnixListener,
  server: TtrpcServer,
  signal: AbortSignal,
): Promise<void> {
  const sessions = new Set<Promise<void>>();
  for await (const connection of listener) {
    const session = server.serve(connection, signal).then((error) => {
      if (error) log.warn("A connection failed", { reason: messageOf(error) });
      sessions.delete(session);
    });
    sessions.add(session);
  }
  await Promise.all(sessions);
}
