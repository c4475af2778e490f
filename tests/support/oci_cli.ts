/** The command line as an OCI engine calls it, with a state folder of its own. */
import { command, type CommandOptions, type CommandResult } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";

/** The program. */
export const KATA_RUNTIME = `${DIST}/kata-runtime`;

/** Containers of one state folder; disposing deletes them and it. */
export class OciCli implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync({ prefix: "kata-oci-" });
  readonly #program: string;

  /** @param program The runtime; runc to compare with. */
  constructor(program = KATA_RUNTIME) {
    this.#program = program;
  }

  argv(...args: readonly string[]): [string, ...string[]] {
    return [this.#program, "--root", this.root, ...args];
  }

  /** Runs a verb to its end, whatever its status. */
  async call(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...args), options);
  }

  /** Runs a verb that must succeed. @returns What it printed. */
  async output(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.call(args, options);
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** A container's status, or why there is none. */
  async status(id: string): Promise<string> {
    const { code, stdout, stderr } = await this.call(["state", id]);
    return code === 0 ? JSON.parse(stdout).status : stderr.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { name } of [...Deno.readDirSync(this.root)]) {
      await this.call(["delete", "--force", name]);
    }
    Deno.removeSync(this.root, { recursive: true });
  }
}
