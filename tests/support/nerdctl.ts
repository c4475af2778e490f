/** nerdctl on a containerd of our own, in a network namespace of its own: its bridges and firewall rules go with it. */
import { command, type CommandOptions, type CommandResult } from "../../tools/lib/command.ts";
import { Containerd, SHIM_NAME } from "./containerd.ts";

const TIMEOUT_MS = 180_000;
/** Where Debian puts the plugins. */
const CNI_PROGRAMS = "/usr/lib/cni";

/** Disposing removes all that it has made. */
export class Nerdctl implements AsyncDisposable {
  readonly #program: string;
  readonly #containerd: Containerd;

  private constructor(readonly directory: string, program: string, containerd: Containerd) {
    this.#program = program;
    this.#containerd = containerd;
  }

  /** With the busybox image. @param program nerdctl itself. */
  static async start(program: string): Promise<Nerdctl> {
    const directory = await Deno.makeTempDir({ prefix: "knerd-" });
    const daemon = `${directory}/containerd`;
    const line = `exec unshare --net sh -c 'ip link set lo up && exec containerd "$@"' sh "$@"`;
    await Deno.writeTextFile(daemon, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return new Nerdctl(directory, program, await Containerd.start({ program: daemon }));
  }

  argv(...args: readonly string[]): [string, ...string[]] {
    const { directory } = this, { pid, address } = this.#containerd;
    return [
      ...["nsenter", `--net=/proc/${pid}/ns/net`, "--", this.#program],
      ...["--address", address, "--data-root", `${directory}/data`],
      ...["--cni-path", CNI_PROGRAMS, "--cni-netconfpath", `${directory}/net`],
      ...["--cgroup-manager", "cgroupfs", ...args],
    ] as [string, ...string[]];
  }

  /** `run` with our shim and more flags. */
  runArgs(...args: readonly string[]): string[] {
    return ["run", "--runtime", SHIM_NAME, ...args];
  }

  /** Runs a command to its end, whatever its status. */
  async call(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...args), { timeoutMs: TIMEOUT_MS, ...options });
  }

  /** Runs a command that must succeed. @returns What it printed, without the newline at the end. */
  async output(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.call(args);
    if (code !== 0) throw new Error(`nerdctl ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Runs another program in the network that published ports are in. */
  async beside(...argv: readonly string[]): Promise<CommandResult> {
    return await command(["nsenter", `--net=/proc/${this.#containerd.pid}/ns/net`, "--", ...argv]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ids = (await this.call(["ps", "--all", "--quiet"])).stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await this.call(["rm", "--force", ...ids]);
    await this.#containerd[Symbol.asyncDispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}
