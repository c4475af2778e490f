/** A root shell in the guest for whoever operates the host, where the configuration allows it. */
import { O, open } from "../../common/linux/fd.ts";
import { copy } from "../../common/linux/copy.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { kill } from "../../common/linux/process.ts";
import { openPty } from "../../common/linux/pty.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { spawn } from "../../common/linux/spawn.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";

const SHELL = "/bin/sh";
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", TERM: "linux" };

function spawnShell(slavePath: string): number {
  using slave = new OwnedFd(open(slavePath, O.RDWR | O.NOCTTY));
  const { fd } = slave;
  return spawn({
    argv: [SHELL, "-i"],
    env: ENVIRONMENT,
    cwd: "/",
    fds: { 0: fd, 1: fd, 2: fd },
    newSession: true,
  });
}

/**
 * Serves one console: a shell on a terminal of its own, until either side ends.
 * @throws {SyscallError} The shell cannot be started.
 */
export async function serveConsole(connection: Connection): Promise<void> {
  const { master, slavePath } = openPty();
  using terminal = new FdStream(master);
  const pid = spawnShell(slavePath);
  const sink = {
    write: async (bytes: Uint8Array): Promise<number> => {
      await writeAll(connection, bytes);
      return bytes.length;
    },
  };
  const shell = reaper().exit(pid);
  const typing = copy(connection, terminal).then(() => kill(-pid, "SIGHUP"));
  await Promise.race([shell, Promise.allSettled([typing, copy(terminal, sink)])]);
  closeQuietly(connection);
}
