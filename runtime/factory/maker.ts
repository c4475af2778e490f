import { close, pipe } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { spawn } from "../../common/linux/spawn.ts";
import type { RuntimeConfig } from "../config/config.ts";

/** What a maker makes: a template, or a VM that stands ready. */
export type MakerVerb = "build" | "spare";

/**
 * Lets a process of its own (`kata-runtime factory VERB`) make something for this configuration. It outlives us, and
 * ends at once where another is at it.
 * @param place Puts it where it belongs; it begins afterwards.
 * @throws {SyscallError} It cannot be started. @throws As `place`; it ends then.
 */
export async function spawnMaker(
  verb: MakerVerb,
  config: RuntimeConfig,
  place: (pid: number) => Promise<void>,
): Promise<void> {
  const [read, write] = pipe();
  using input = new FdStream(write); // its end without a configuration ends the maker
  try {
    const pid = spawn({
      argv: ["kata-runtime", "factory", verb],
      program: Deno.execPath(),
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      fds: { 0: read },
      newSession: true,
    });
    await place(pid);
  } finally {
    close(read);
  }
  await input.write(new TextEncoder().encode(JSON.stringify(config)));
}
