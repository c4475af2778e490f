/** A node within this machine: its own view of some folders, in which a test installs without touching the host's. */
import { command, type CommandOptions, type CommandResult } from "../../tools/lib/command.ts";
import { output } from "../../tools/lib/command.ts";
import { sha256 } from "../../tools/lib/hash.ts";

/** What the shell says once the folders are laid over. */
const READY = "ready";

/** A mount namespace whose folders are overlays of the host's; disposing takes it all back. */
export class OtherRoot implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(readonly directory: string, holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** @param folders Absolute paths; what is written below them stays in this view. */
  static async make(folders: readonly string[]): Promise<OtherRoot> {
    const directory = await Deno.makeTempDir({ prefix: "kata-root-" });
    const layers = folders.map((lower, at) => ({ lower, dir: `${directory}/${at}` }));
    for (const { dir } of layers) {
      for (const kind of ["upper", "work"]) await Deno.mkdir(`${dir}/${kind}`, { recursive: true });
    }
    const lay = layers.map(({ lower, dir }) =>
      `mount -t overlay overlay -o lowerdir=${lower},upperdir=${dir}/upper,workdir=${dir}/work ${lower}`
    );
    const script = [...lay, `echo ${READY}`, "exec cat"].join(" && ");
    const holder = new Deno.Command("unshare", {
      args: ["--mount", "--propagation", "private", "sh", "-c", script],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    const root = new OtherRoot(directory, holder);
    if (new TextDecoder().decode(value).trim() === READY) return root;
    await root[Symbol.asyncDispose]();
    throw new Error(`Cannot lay a view over ${folders.join(", ")}`);
  }

  /** The command line that runs a program inside. */
  argv(...argv: readonly string[]): [string, ...string[]] {
    return ["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, "--", ...argv];
  }

  /** Runs a program inside, to its end. */
  async call(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...argv), options);
  }

  /** Runs a program inside that must succeed. @returns What it printed. */
  async output(...argv: readonly string[]): Promise<string> {
    return await output(this.argv(...argv));
  }

  /** Where one of its files is for us. */
  path(inside: string): string {
    return `/proc/${this.#holder.pid}/root${inside}`;
  }

  /** Writes a program that runs another one inside, for those who take but a program's path. */
  async wrap(name: string, program: string): Promise<string> {
    const path = `${this.directory}/${name}`;
    const line = this.argv(program).map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(path, `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
    return path;
  }

  /** A fingerprint of everything below some folders: names, kinds, modes, owners, targets of links, contents. */
  async fingerprint(folders: readonly string[]): Promise<string> {
    const list = `find ${folders.join(" ")} -printf '%p %y %m %u %g %l\\n' | sort`;
    const sums = `find ${folders.join(" ")} -type f -print0 | sort -z | xargs -0 -r sha256sum`;
    return await sha256(await this.output("sh", "-c", `${list}; ${sums}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close();
    await this.#holder.stdout.cancel();
    await this.#holder.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}
