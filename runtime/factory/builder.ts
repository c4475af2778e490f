import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { close, pipe } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { spawn } from "../../common/linux/spawn.ts";
import type { RuntimeConfig } from "../config/config.ts";

/** The verb by which the program builds a template for the configuration on its standard input. */
const BUILD_VERB = ["factory", "build"];

/**
 * Lets a process of its own build the template for this configuration. It outlives us, and ends at once where another
 * builds already.
 * @returns Its pid.
 * @throws {SyscallError} It cannot be started.
 */
export function spawnBuilder(config: RuntimeConfig): number {
  const [read, write] = pipe();
  try {
    return spawn({
      argv: ["kata-runtime", ...BUILD_VERB],
      program: Deno.execPath(),
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      fds: { 0: read },
      newSession: true,
    });
  } finally {
    close(read);
    void feed(write, JSON.stringify(config));
  }
}

async function feed(fd: number, text: string): Promise<void> {
  using stream = new FdStream(fd);
  try {
    await stream.write(new TextEncoder().encode(text));
  } catch (error) {
    log.warn("The template's builder does not listen", { reason: messageOf(error) });
  }
}
