/** A Docker daemon of our own for tests, with the command line as a runtime of its daemon.json. */
import { command, type CommandOptions, type CommandResult } from "../../tools/lib/command.ts";
import { busyboxImage } from "./busybox_image.ts";
import { KATA_RUNTIME } from "./oci_cli.ts";

const START_MS = 60_000;
const TIMEOUT_MS = 180_000;
/** What the daemon says once it answers. */
const READY = "API listen on";

/** One daemon, with a containerd of its own; disposing removes all that it has made. */
export class Docker implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(readonly directory: string, child: Deno.ChildProcess, ended: Promise<void>) {
    this.directory = directory;
    this.#child = child;
    this.#ended = ended;
  }

  /**
   * Starts one with the busybox image. Its runtimes are `kata`, by default, `runc` and `crun`.
   * @param runtime The program that is called `kata`.
   * @param before What runs the daemon: a command line that its own is appended to.
   */
  static async start(
    runtime = KATA_RUNTIME,
    before: readonly [string, ...string[]] = ["env"],
  ): Promise<Docker> {
    const directory = await Deno.makeTempDir({ prefix: "kdock-" });
    const runtimes = { kata: { path: runtime }, crun: { path: "/usr/bin/crun" } };
    const config = { runtimes, "default-runtime": "kata" };
    await Deno.writeTextFile(`${directory}/daemon.json`, JSON.stringify(config));
    // A network namespace of its own keeps its firewall rules, which it leaves behind, from other tests.
    const [program, ...words] = before;
    const child = new Deno.Command(program, {
      args: [
        ...[...words, "unshare"],
        ...["--net", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd"],
        ...["--config-file", `${directory}/daemon.json`, "--data-root", `${directory}/data`],
        ...["--exec-root", `${directory}/exec`, "--pidfile", `${directory}/pid`],
        ...["--host", `unix://${directory}/sock`, "--storage-driver", "vfs"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const { ready, ended } = follow(child.stderr, `${directory}/log`);
    const docker = new Docker(directory, child, ended);
    try {
      await ready;
      await docker.output("load", "--quiet", "--input", await busyboxImage());
      return docker;
    } catch (error) {
      await docker[Symbol.asyncDispose]();
      throw error;
    }
  }

  argv(...args: readonly string[]): [string, ...string[]] {
    return ["docker", "--host", `unix://${this.directory}/sock`, ...args];
  }

  /** Runs a command to its end, whatever its status. */
  async call(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...args), { timeoutMs: TIMEOUT_MS, ...options });
  }

  /** Runs a command that must succeed. @returns What it printed, without the newline at the end. */
  async output(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.call(args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ids = (await this.call(["ps", "--all", "--quiet"])).stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await this.call(["rm", "--force", "--volumes", ...ids]);
    await this.call(["network", "prune", "--force"]);
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    await this.#child.status;
    await this.#ended;
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Copies what the daemon says into a file; `ready` resolves when it answers. */
function follow(stream: ReadableStream<Uint8Array>, path: string): {
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
} {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const late = setTimeout(() => reject(new Error("dockerd does not answer")), START_MS);
  const read = async (): Promise<void> => {
    using log = await Deno.open(path, { append: true, create: true });
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      log.writeSync(bytes);
      text = (text + decoder.decode(bytes, { stream: true })).slice(-100_000);
      if (text.includes(READY)) resolve();
    }
    reject(new Error(`dockerd ended: ${text.slice(-2000)}`));
  };
  ready.catch(() => {}).finally(() => clearTimeout(late));
  return { ready, ended: read() };
}
