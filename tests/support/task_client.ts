/** A second client of a shim, beside containerd: calls of the Task API one by one, as containerd would make them. */
import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";
import { output } from "../../tools/lib/command.ts";
import type { Containerd } from "./containerd.ts";

/** Longest time for a call, in milliseconds. */
const CALL_TIMEOUT_MS = 60_000;

/** What an exec is to run. */
export interface ExecOptions {
  readonly execId: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly terminal?: boolean;
}

/** The Task service of one container's shim. */
export class TaskClient implements Disposable {
  readonly #connection: TtrpcClient;
  readonly task: Client<typeof Task>;

  private constructor(readonly id: string, connection: TtrpcClient) {
    this.#connection = connection;
    this.task = createClient(Task, connection, { timeoutMs: CALL_TIMEOUT_MS });
  }

  /** Connects to the shim that serves a container of this containerd. */
  static async connect(containerd: Containerd, id: string): Promise<TaskClient> {
    const address = await Deno.readTextFile(`${bundleOf(containerd, id)}/address`);
    return await TaskClient.at(id, address.replace(/^unix:\/\//, ""));
  }

  /** Connects to a shim by the path of its socket. */
  static async at(id: string, path: string): Promise<TaskClient> {
    return new TaskClient(id, new TtrpcClient(await Deno.connect({ transport: "unix", path })));
  }

  /** Registers an exec, with what the container's own processes have. */
  async exec(options: ExecOptions): Promise<void> {
    const { execId, args, stdin = "", stdout = "", stderr = "", terminal = false } = options;
    const env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"];
    const spec = { args, cwd: "/", env, user: { uid: 0, gid: 0 }, terminal };
    const value = new TextEncoder().encode(JSON.stringify(spec));
    const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Process";
    await this.task.exec({
      id: this.id,
      execId,
      terminal,
      stdin,
      stdout,
      stderr,
      spec: { typeUrl, value },
    });
  }

  /** Runs an exec from Exec to Delete. @returns Its status and what it printed to stdout. */
  async run(
    execId: string,
    args: readonly string[],
    more: Partial<ExecOptions> = {},
  ): Promise<{ status: number; stdout: string }> {
    const { id } = this;
    using fifo = await Fifo.make();
    await this.exec({ execId, args, stdout: fifo.path, ...more });
    const stdout = fifo.readText();
    const exited = this.task.wait({ id, execId });
    await this.task.start({ id, execId });
    const { exitStatus } = await exited;
    await this.task.delete({ id, execId });
    return { status: exitStatus, stdout: await stdout };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** The folder in which containerd keeps a container's bundle. */
export function bundleOf(containerd: Containerd, id: string): string {
  return `${containerd.directory}/state/io.containerd.runtime.v2.task/default/${id}`;
}

/** A named pipe, gone with its scope. */
export class Fifo implements Disposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Fifo> {
    const path = `${await Deno.makeTempDir({ prefix: "kata-fifo-" })}/f`;
    await output(["mkfifo", path]);
    return new Fifo(path);
  }

  /** Everything until its last writer leaves. */
  async readText(): Promise<string> {
    return await Deno.readTextFile(this.path);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path.slice(0, -2), { recursive: true });
  }
}
