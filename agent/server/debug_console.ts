/** A root shell in the guest for whoever operates the host, where the configuration allows it. */
import { copy } from "../../common/linux/copy.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { openPty } from "../../common/linux/pty.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { spawn } from "../../common/linux/spawn.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";
import { Output } from "../container/output.ts";

const SHELL = "/bin/sh";
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", TERM: "linux" };

/** The terminal is the shell's controlling one, for ctrl-C and job control. */
function spawnShell(slavePath: string): number {
  return spawn({
    argv: [SHELL, "-i"],
    env: ENVIRONMENT,
    cwd: "/",
    fds: { 0: slavePath, 1: slavePath, 2: slavePath },
    newSession: true,
  });
}

/**
 * Serves one console: a shell on a terminal of its own, until the shell ends and all that it wrote was sent, or until
 * the other side ends: the terminal hangs up then.
 * @throws {SyscallError} The shell cannot be started.
 */
export async function serveConsole(connection: Connection): Promise<void> {
  using undo = new DisposableStack();
  undo.defer(() => closeQuietly(connection));
  const { master, slavePath } = openPty();
  const terminal = new FdStream(master, { gather: true });
  const output = undo.use(new Output(terminal));
  const shell = reaper().exit(spawnShell(slavePath));
  copy(connection, terminal).catch(() => {}) // the terminal has gone with the shell
    .finally(() => output.close());
  output.pumpTo(connection);
  await shell;
  await output.drained();
}
