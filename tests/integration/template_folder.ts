/** A place for VM templates that one test has for itself. */
import { output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";

/** A build takes seconds on a quiet machine, and ten times that on a busy one. */
const BUILD_MS = 300_000;
const LOOK_AGAIN_MS = 50;

/** A folder on a tmpfs of its own, and a configuration that names it. */
export class TemplateFolder implements AsyncDisposable {
  private constructor(readonly path: string, readonly config: string) {}

  /** @param size Of the tmpfs. */
  static async make(size = "2g"): Promise<TemplateFolder> {
    const path = await Deno.makeTempDir({ prefix: "kata-templates-" });
    await output(["mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path]);
    const folder = new TemplateFolder(path, `${path}.toml`);
    await folder.configure("");
    return folder;
  }

  /** Writes the configuration: the folder, and what is given. */
  async configure(more: string): Promise<void> {
    await Deno.writeTextFile(
      this.config,
      `[factory]\nenable_template = true\ntemplate_path = "${this.path}"\n${more}\n`,
    );
  }

  /** The configuration, as flags for `ctr run`. */
  get flags(): string[] {
    return ["--runtime-config-path", this.config];
  }

  async names(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.path))).map(({ name }) => name).sort();
  }

  /** A file of the one template. */
  async file(name: string): Promise<string> {
    return `${this.path}/${await this.#key()}/${name}`;
  }

  /** Waits until there is a template. */
  async built(): Promise<void> {
    await this.#until("a template", async () => await this.#key() !== undefined);
  }

  /** Waits until a builder's VM runs. @returns Its pid. */
  async builderVm(): Promise<number> {
    let pid: number | undefined;
    await this.#until("a builder's VM", async () => {
      [pid] = await this.vms();
      return pid !== undefined;
    });
    return pid ?? -1;
  }

  /** VMs that run for a builder. */
  async vms(): Promise<number[]> {
    const entries = await Array.fromAsync(Deno.readDir("/proc"));
    const pids = entries.map(({ name }) => name).filter((name) => /^\d+$/.test(name));
    const ours = await Promise.all(pids.map(async (pid) => {
      const argv = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
      return /^[^\0]*qemu-system/.test(argv) && argv.includes(`${this.path}/`);
    }));
    return pids.filter((_, index) => ours[index]).map(Number);
  }

  async #key(): Promise<string | undefined> {
    return (await this.names()).find((name) => /^[0-9a-f]{24}$/.test(name));
  }

  async #until(what: string, done: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + BUILD_MS;
    while (!await done()) {
      if (Date.now() > deadline) throw new Error(`${what} did not appear in ${this.path}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output([`${DIST}/kata-runtime`, "factory", "destroy", "--config", this.config]);
    await output(["umount", "-l", this.path]);
    await Deno.remove(this.path);
    await Deno.remove(this.config);
  }
}

/** A program that answers lines. */
export interface Child extends AsyncDisposable {
  /** Sends a line and returns the next one that comes. */
  ask(line: string): Promise<string>;
  /** Kills it and waits for its end. */
  kill(): Promise<void>;
}

/** Starts a program; disposing of it ends its input and waits for its end. */
export function childOf([program, ...args]: [string, ...string[]]): Child {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const writer = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    ask: async (line) => {
      await writer.write(new TextEncoder().encode(`${line}\n`));
      while (!text.includes("\n")) {
        const { value, done } = await lines.read();
        if (done) throw new Error(`${program} ended: ${text}`);
        text += value;
      }
      const end = text.indexOf("\n");
      const answer = text.slice(0, end);
      text = text.slice(end + 1);
      return answer;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await child.status;
      await writer.abort().catch(() => {}); // it broke with the program
      await lines.cancel();
    },
    [Symbol.asyncDispose]: async () => {
      await writer.close();
      while (!(await lines.read()).done);
      await child.status;
    },
  };
}
