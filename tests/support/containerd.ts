/** A containerd of our own for tests: own root, state and socket, gone without a trace afterwards. */
import {
  command,
  type CommandOptions,
  type CommandResult,
  output,
} from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { BUSYBOX, busyboxImage } from "./busybox_image.ts";

/** The shim as containerd is told of it by absolute path. */
export const SHIM_PATH = `${DIST}/containerd-shim-kata-v2`;
/** The shim as containerd finds it by name on its PATH. */
export const SHIM_NAME = "io.containerd.kata.v2";
/** runc, to compare with. */
export const RUNC = "io.containerd.runc.v2";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
/** What containerd logs once it answers. */
const BOOTED = "containerd successfully booted";

/** How the containerd is to be. */
export interface ContainerdOptions {
  /** The folder that comes first on its PATH, where it finds the shim by name. Default: dist/. */
  readonly shimDir?: string;
  /** More environment for it and so for the shims it starts. */
  readonly env?: Record<string, string>;
  /** More lines for its config.toml. */
  readonly config?: string;
  /** All of its config.toml, given its folder, in place of the usual one; must name the socket `c.sock` there. */
  readonly configText?: (directory: string) => string | Promise<string>;
  /** Its program. Default: the one on PATH. */
  readonly program?: string;
}

async function configText(
  directory: string,
  { configText, config = "" }: ContainerdOptions,
): Promise<string> {
  if (configText) return await configText(directory);
  return `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${directory}/c.sock"
[debug]
  level = "info"
${config}
`;
}

/** Copies what containerd logs into a file; `booted` resolves when it answers. */
function follow(stream: ReadableStream<Uint8Array>, log: Deno.FsFile): {
  readonly booted: Promise<void>;
  readonly ended: Promise<void>;
} {
  const { promise: booted, resolve, reject } = Promise.withResolvers<void>();
  const read = async (): Promise<void> => {
    using _ = log;
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of stream) {
      log.writeSync(bytes);
      text = (text + decoder.decode(bytes, { stream: true })).slice(-100_000);
      if (text.includes(BOOTED)) resolve();
    }
    reject(new Error(`containerd ended: ${text.slice(-2000)}`));
  };
  booted.catch(() => {}); // after the start nobody waits for it
  return { booted, ended: read() };
}

async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${what}: took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Its process. */
interface Daemon {
  readonly child: Deno.ChildProcess;
  readonly booted: Promise<void>;
  readonly ended: Promise<void>;
}

async function launch(directory: string, options: ContainerdOptions): Promise<Daemon> {
  const child = new Deno.Command(options.program ?? "containerd", {
    args: ["--config", `${directory}/config.toml`],
    env: { ...options.env, PATH: `${options.shimDir ?? DIST}:${Deno.env.get("PATH") ?? ""}` },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = await Deno.open(`${directory}/log`, { append: true, create: true });
  return { child, ...follow(child.stderr, log) };
}

/** A running containerd; dispose of it to remove every trace. */
export class Containerd implements AsyncDisposable {
  readonly #options: ContainerdOptions;
  #child: Deno.ChildProcess;
  #ended: Promise<void>;
  #booted = false;

  private constructor(readonly directory: string, options: ContainerdOptions, daemon: Daemon) {
    this.#options = options;
    this.#child = daemon.child;
    this.#ended = daemon.ended;
  }

  /**
   * Starts one and imports the busybox image.
   * @throws {Error} It is not installed, did not boot within 30 s, or we are not root.
   */
  static async start(options: ContainerdOptions = {}): Promise<Containerd> {
    const directory = await Deno.makeTempDir({ prefix: "kata-containerd-" });
    await Deno.writeTextFile(`${directory}/config.toml`, await configText(directory, options));
    const daemon = await launch(directory, options);
    const containerd = new Containerd(directory, options, daemon);
    try {
      await within(daemon.booted, START_TIMEOUT_MS, "containerd");
      containerd.#booted = true;
      await containerd.import(await busyboxImage());
      return containerd;
    } catch (error) {
      await containerd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Stops it, does something while it is away, and starts it again on the same state; shims live on. */
  async restart(meanwhile: () => void | Promise<void> = () => {}): Promise<void> {
    await this.#stop();
    await meanwhile();
    const daemon = await launch(this.directory, this.#options);
    this.#child = daemon.child;
    this.#ended = daemon.ended;
    await within(daemon.booted, START_TIMEOUT_MS, "containerd");
  }

  /** Its gRPC socket. */
  get address(): string {
    return `${this.directory}/c.sock`;
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it and the shims below it have logged so far. */
  async log(): Promise<string> {
    return await Deno.readTextFile(`${this.directory}/log`);
  }

  /** The command line of `ctr` for this containerd, for tests that need the process itself. */
  argv(...args: readonly string[]): [string, ...string[]] {
    return ["ctr", "--address", this.address, ...args];
  }

  /** Runs `ctr` to its end, whatever its status. Default time limit: two minutes. */
  async ctr(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await command(this.argv(...args), options);
  }

  /** Runs `ctr`, which must succeed, and returns what it printed. */
  async ctrOutput(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return await output(this.argv(...args), options);
  }

  /** `ctr run --rm` of busybox with our shim (or `runtime`), to its end. */
  async run(
    id: string,
    args: readonly string[],
    options: CommandOptions & { readonly runtime?: string; readonly flags?: readonly string[] } =
      {},
  ): Promise<CommandResult> {
    const { runtime = SHIM_PATH, flags = [], ...rest } = options;
    return await this.ctr(
      ["run", "--rm", "--runtime", runtime, ...flags, BUSYBOX, id, ...args],
      rest,
    );
  }

  /** Imports an image archive. */
  async import(archive: string, namespace = "default"): Promise<void> {
    await this.ctrOutput(["-n", namespace, "image", "import", archive]);
  }

  /** Names that `ctr <kind> ls -q` lists. */
  async list(kind: "task" | "container" | "snapshot"): Promise<string[]> {
    const flags = kind === "snapshot" ? [] : ["-q"];
    const lines = (await this.ctrOutput([kind, "ls", ...flags])).trim().split("\n");
    const names = lines.map((line) => line.split(/\s+/)[0] ?? "");
    return (kind === "snapshot" ? names.slice(1) : names).filter((name) => name !== "");
  }

  /** Kills and removes what tests left running. */
  async #sweep(): Promise<void> {
    for (const id of await this.list("task")) await this.ctr(["task", "rm", "-f", id]);
    for (const id of await this.list("container")) await this.ctr(["container", "rm", id]);
  }

  /** Stops it as a service manager would, and waits for its end. */
  async #stop(): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#child.status;
    clearTimeout(killer);
    await this.#ended.catch(() => {}); // that it ended is what we wanted
  }

  async #unmount(): Promise<void> {
    const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.directory}/`));
    for (const path of mounts.reverse()) await output(["umount", "-l", path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#booted) await this.#sweep();
    } finally {
      await this.#stop();
      await this.#unmount();
      await Deno.remove(this.directory, { recursive: true });
    }
  }
}
