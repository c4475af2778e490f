/** Podman with storage, state and networks of its own, and the command line as its runtime. */
import { command, type CommandOptions, type CommandResult } from "../../tools/lib/command.ts";
import { busyboxImage } from "./busybox_image.ts";
import { KATA_RUNTIME } from "./oci_cli.ts";

/** Booting a VM on a busy machine takes its time. */
const TIMEOUT_MS = 180_000;

/** Names are short: Podman puts sockets below them. */
const PREFIX = "kpod-";

/** One Podman; disposing removes all that it has made. */
export class Podman implements AsyncDisposable {
  readonly directory: string;
  readonly #runtime: string;
  readonly #program: [string, ...string[]];

  private constructor(directory: string, runtime: string, program: [string, ...string[]]) {
    this.directory = directory;
    this.#runtime = runtime;
    this.#program = program;
  }

  /**
   * With the busybox image.
   * @param runtime The runtime; crun or runc to compare with.
   * @param program Podman, and what stands before it.
   */
  static async start(
    runtime = KATA_RUNTIME,
    program: [string, ...string[]] = ["podman"],
  ): Promise<Podman> {
    const podman = new Podman(await Deno.makeTempDir({ prefix: PREFIX }), runtime, program);
    await podman.output("load", "--quiet", "--input", await busyboxImage());
    return podman;
  }

  argv(...args: readonly string[]): [string, ...string[]] {
    const { directory } = this;
    return [
      ...this.#program,
      ...["--root", `${directory}/root`, "--runroot", `${directory}/run`],
      ...["--tmpdir", `${directory}/tmp`, "--network-config-dir", `${directory}/net`],
      ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"],
      ...["--log-level", "error", "--runtime", this.#runtime],
      ...args,
    ];
  }

  /** Runs a command to its end, whatever its status. */
  async call(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...args), { timeoutMs: TIMEOUT_MS, ...options });
  }

  /** Runs a command that must succeed. @returns What it printed, without the newline at the end. */
  async output(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.call(args);
    if (code !== 0) throw new Error(`podman ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.call(["pod", "rm", "--all", "--force", "--time", "0"]);
    await this.call(["rm", "--all", "--force", "--time", "0"]);
    await this.call(["network", "prune", "--force"]);
    await this.call(["volume", "rm", "--all", "--force"]);
    await this.#unmount();
    await Deno.remove(this.directory, { recursive: true });
  }

  async #unmount(): Promise<void> {
    const paths = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.directory}/`));
    for (const path of paths.reverse()) await command(["umount", "-l", path]);
  }
}
