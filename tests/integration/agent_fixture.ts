/** An agent's services on this host, for tests: busybox as root file system, crun without cgroups. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { GUEST_PATHS } from "../../agent/container/paths.ts";
import { agentService } from "../../agent/server/agent_service.ts";
import { Guest } from "../../agent/server/guest.ts";
import { becomeSubreaper } from "../../common/linux/process.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { ProcessSchema, SpecSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import type { CallContext } from "../../common/protocol/ttrpc/service.ts";

const APPLETS = [
  "sh",
  "cat",
  "echo",
  "sleep",
  "true",
  "ls",
  "hostname",
  "head",
  "kill",
  "ps",
  "stty",
  "readlink",
  "dd",
  "md5sum",
  "trap",
];
const PATH = "PATH=/bin:/usr/bin";

type Handler = (request: unknown, context: CallContext) => Promise<unknown>;
type Requests = typeof AgentService.method;
type Init<K extends keyof Requests> = MessageInitShape<Requests[K]["input"]>;
type Answer<K extends keyof Requests> = MessageInitShape<Requests[K]["output"]>;

export class AgentFixture implements AsyncDisposable {
  readonly guest: Guest;
  readonly rootfs: string;
  readonly #dir: string;
  readonly #context: CallContext;
  readonly #calls: Record<string, Handler | undefined>;

  private constructor(dir: string) {
    this.#dir = dir;
    this.rootfs = `${dir}/rootfs`;
    this.#context = {
      signal: new AbortController().signal,
      metadata: new Map() as never,
      timeoutMs: undefined,
    };
    this.guest = new Guest({
      ...GUEST_PATHS,
      run: `${dir}/run`,
      shared: `${dir}/shared`,
      namespaces: `${dir}/ns`,
      scratch: `${dir}/s`,
      crunRoot: `${dir}/crun`,
      cgroups: undefined,
      ownsMachine: false,
    });
    this.#calls = agentService(this.guest) as Record<string, Handler | undefined>;
  }

  static async open(): Promise<AgentFixture> {
    becomeSubreaper();
    reaper().adoptOrphans();
    const fixture = new AgentFixture(await Deno.makeTempDir({ prefix: "kata-agent-" }));
    await Deno.mkdir(`${fixture.rootfs}/bin`, { recursive: true });
    for (const folder of ["proc", "dev", "sys", "tmp"]) {
      await Deno.mkdir(`${fixture.rootfs}/${folder}`);
    }
    await Deno.copyFile("/bin/busybox", `${fixture.rootfs}/bin/busybox`);
    for (const applet of APPLETS) await Deno.symlink("busybox", `${fixture.rootfs}/bin/${applet}`);
    return fixture;
  }

  /** Calls the service as a server would. */
  async call<K extends keyof Requests>(
    method: K,
    init: Init<K>,
    signal?: AbortSignal,
  ): Promise<Answer<K>> {
    const handler = this.#calls[method];
    if (!handler) throw new Error(`No such call: ${method}`);
    const request = create(AgentService.method[method].input, init as never);
    return await handler(request, signal ? { ...this.#context, signal } : this.#context) as Answer<
      K
    >;
  }

  process(args: string[], terminal = false): MessageInitShape<typeof ProcessSchema> {
    return { Args: args, Env: [PATH, "TERM=xterm"], Cwd: "/", Terminal: terminal, User: {} };
  }

  spec(args: string[], terminal = false): MessageInitShape<typeof SpecSchema> {
    return {
      Version: "1.0.2",
      Process: this.process(args, terminal),
      Root: { Path: this.rootfs },
      Mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        {
          destination: "/dev/pts",
          type: "devpts",
          source: "devpts",
          options: ["newinstance", "ptmxmode=0666"],
        },
      ],
      Linux: { Namespaces: [{ Type: "pid" }, { Type: "ipc" }, { Type: "uts" }, { Type: "mount" }] },
    };
  }

  /** Creates and starts. */
  async run(containerId: string, args: string[], terminal = false): Promise<void> {
    await this.call("createContainer", { containerId, OCI: this.spec(args, terminal) });
    await this.call("startContainer", { containerId });
  }

  /** Everything that a process writes until its end. */
  async output(
    containerId: string,
    execId = "",
    name: "readStdout" | "readStderr" = "readStdout",
  ): Promise<string> {
    let text = "";
    for (;;) {
      try {
        const { data } = await this.call(name, { containerId, execId, len: 32768 });
        text += new TextDecoder().decode(data);
      } catch (error) {
        if (error instanceof Error && error.message === "read meet eof") return text;
        throw error;
      }
    }
  }

  async wait(containerId: string, execId = ""): Promise<number | undefined> {
    return (await this.call("waitProcess", { containerId, execId })).status;
  }

  /** Names of what is left in the agent's folders. */
  async leftovers(): Promise<string[]> {
    const names: string[] = [];
    for (const folder of ["run", "s", "crun"]) {
      try {
        for await (const { name } of Deno.readDir(`${this.#dir}/${folder}`)) {
          names.push(`${folder}/${name}`);
        }
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guest.destroy();
    await Deno.remove(this.#dir, { recursive: true });
  }
}
