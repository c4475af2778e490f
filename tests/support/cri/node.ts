/** A node as Kubernetes sees it: a private containerd that serves CRI, with a network for pods and images. */
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { output } from "../../../tools/lib/command.ts";
import { Containerd } from "../containerd.ts";
import { CriClient } from "./client.ts";
import {
  type ContainerConfigSchema,
  ContainerState,
  type ContainerStatus,
  type PodSandboxConfigSchema,
} from "./gen/cri_pb.ts";
import { podImages } from "./images.ts";
import {
  bareConfig,
  BRIDGE,
  cniConfig,
  type ConfigVersion,
  containerdConfig,
  HANDLER,
} from "./node_config.ts";

/** The fields of a message, any of them left out. */
export type Fields<S extends DescMessage> = Extract<MessageInitShape<S>, { $typeName?: never }>;
/** What a pod is asked for, beyond a name. */
export type PodConfig = Fields<typeof PodSandboxConfigSchema>;
/** What a container is asked for, beyond a name. */
export type ContainerConfig = Fields<typeof ContainerConfigSchema>;

/** A pod that runs, with what it was asked for: CRI wants that again for each container. */
export interface Pod {
  readonly id: string;
  readonly config: PodConfig;
}

/** How a command in a container ended. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** How the node is to be. */
export interface NodeOptions {
  /** containerd's program. Default: Debian's. */
  readonly program?: string;
  /** Format of its configuration: 2 for 1.6, 3 for 2.x. Default: 2. */
  readonly version?: ConfigVersion;
  /** Where it finds the shim by name. Default: dist/. */
  readonly shimDir?: string;
  /** Gets its configuration before it starts, without our handler; returns the one that it starts with. */
  readonly configure?: (text: string) => Promise<string>;
}

const BUSYBOX = "docker.io/library/busybox:latest";
/** What a container runs that only waits: says "up", and ends at once when told to. */
export const IDLE = [
  "/bin/sh",
  "-c",
  "trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait; done",
];
/** Longest time for containerd to serve CRI, and to learn of an imported image. */
const READY_MS = 30_000;
const POLL_MS = 100;

/** Asks again until the answer is not `undefined`; `what` names it when that takes too long. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  timeoutMs = READY_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Dispose of it to remove every pod and every trace. */
export class CriNode implements AsyncDisposable {
  #count = 0;

  private constructor(
    readonly containerd: Containerd,
    readonly client: CriClient,
    readonly logs: string,
  ) {}

  static async start(options: NodeOptions = {}): Promise<CriNode> {
    const { program, shimDir, version = 2, configure } = options;
    await using undo = new AsyncDisposableStack();
    const containerd = undo.use(
      await Containerd.start({
        ...(program === undefined ? {} : { program }),
        ...(shimDir === undefined ? {} : { shimDir }),
        configText: async (directory) =>
          configure
            ? await configure(bareConfig(directory, version))
            : containerdConfig(directory, version),
      }),
    );
    const { directory } = containerd;
    for (const name of ["cni", "logs"]) {
      await Deno.mkdir(`${directory}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${directory}/cni/10-test.conflist`, cniConfig(directory));
    const client = undo.use(new CriClient(containerd.address));
    const node = new CriNode(containerd, client, `${directory}/logs`);
    await node.#ready();
    await node.#importImages();
    undo.move();
    return node;
  }

  get runtime(): CriClient["runtime"] {
    return this.client.runtime;
  }

  /** Waits until containerd serves CRI and has found the network. */
  async #ready(): Promise<void> {
    await until("CRI is ready", async () => {
      const status = await this.runtime.status({}).catch(() => undefined); // it is still starting
      const conditions = status?.status?.conditions ?? [];
      const met = (wanted: string): boolean =>
        conditions.some(({ type, status }) => type === wanted && status);
      return met("RuntimeReady") && met("NetworkReady") || undefined;
    });
  }

  /** Stops containerd, does something, and starts it again. */
  async restartContainerd(meanwhile: () => void | Promise<void> = () => {}): Promise<void> {
    await this.containerd.restart(meanwhile);
    await this.#ready();
  }

  async #importImages(): Promise<void> {
    for (const [name, archive] of await podImages()) {
      await this.containerd.import(archive, "k8s.io");
      await this.imageKnown(name);
    }
  }

  /** Waits until an image that containerd has got is known to CRI. @returns Its id. */
  async imageKnown(name: string): Promise<string> {
    return await until(`image ${name}`, async () => {
      const { image } = await this.client.image.imageStatus({ image: { image: name } });
      return image?.id;
    });
  }

  /** Starts a pod. Its log folder and its name are its own. */
  async runPod(config: PodConfig = {}, handler = HANDLER): Promise<Pod> {
    const name = `pod${++this.#count}`;
    const whole: PodConfig = {
      metadata: { name, uid: crypto.randomUUID(), namespace: "default", attempt: 0 },
      logDirectory: `${this.logs}/${name}`,
      ...config,
    };
    const { podSandboxId } = await this.runtime.runPodSandbox({
      config: whole,
      runtimeHandler: handler,
    });
    return { id: podSandboxId, config: whole };
  }

  /** Creates a container of busybox that idles, unless told otherwise. @returns Its id. */
  async create(pod: Pod, config: ContainerConfig = {}): Promise<string> {
    const name = `c${++this.#count}`;
    const { containerId } = await this.runtime.createContainer({
      podSandboxId: pod.id,
      sandboxConfig: pod.config,
      config: {
        metadata: { name, attempt: 0 },
        image: { image: BUSYBOX },
        command: IDLE,
        logPath: `${name}.log`,
        ...config,
      },
    });
    return containerId;
  }

  /** {@linkcode create}, then start. */
  async run(pod: Pod, config: ContainerConfig = {}): Promise<string> {
    const containerId = await this.create(pod, config);
    await this.runtime.startContainer({ containerId });
    return containerId;
  }

  /** Runs a container to its end. @returns How it ended, with its log's text of both streams. */
  async runToEnd(
    pod: Pod,
    config: ContainerConfig,
  ): Promise<{ status: ContainerStatus; log: string }> {
    const id = await this.run(pod, config);
    const status = await this.exited(id);
    return { status, log: logText(await this.log(id)) };
  }

  async status(containerId: string): Promise<ContainerStatus> {
    const { status } = await this.runtime.containerStatus({ containerId });
    if (status) return status;
    throw new Error(`Container ${containerId} has no status`);
  }

  /** Waits for a container's end. */
  async exited(containerId: string): Promise<ContainerStatus> {
    return await until(`end of container ${containerId}`, async () => {
      const status = await this.status(containerId);
      return status.state === ContainerState.CONTAINER_EXITED ? status : undefined;
    });
  }

  /** Runs a command in a container to its end. */
  async exec(containerId: string, cmd: string[], timeout = 30): Promise<ExecResult> {
    const answer = await this.runtime.execSync({ containerId, cmd, timeout: BigInt(timeout) });
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { stdout: text(answer.stdout), stderr: text(answer.stderr), code: answer.exitCode };
  }

  /** Runs a shell script in a container, which must end with 0. @returns What it printed, trimmed. */
  async sh(containerId: string, script: string): Promise<string> {
    const { stdout, stderr, code } = await this.exec(containerId, ["/bin/sh", "-c", script]);
    if (code !== 0) throw new Error(`"${script}" ended with ${code}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  /** The log file of a container, as the kubelet would read it. */
  async log(containerId: string): Promise<string> {
    const { logPath } = await this.status(containerId);
    return await Deno.readTextFile(logPath);
  }

  /** Waits until a container has said "up" on a line of its own: from then on it handles signals as it wants. */
  async up(containerId: string): Promise<void> {
    await until(`"up" of container ${containerId}`, async () => {
      return / F up$/m.test(await this.log(containerId)) || undefined;
    });
  }

  async stop(containerId: string, timeout = 10): Promise<void> {
    await this.runtime.stopContainer({ containerId, timeout: BigInt(timeout) });
  }

  /** Stops and removes a container. */
  async remove(containerId: string): Promise<void> {
    await this.stop(containerId, 0);
    await this.runtime.removeContainer({ containerId });
  }

  /** Stops and removes a pod with everything in it. */
  async removePod({ id }: Pod): Promise<void> {
    await this.runtime.stopPodSandbox({ podSandboxId: id });
    await this.runtime.removePodSandbox({ podSandboxId: id });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => removeBridge());
    undo.defer(() => removeCgroups());
    undo.use(this.containerd);
    undo.use(this.client);
    const { items } = await this.runtime.listPodSandbox({});
    for (const { id } of items) await this.removePod({ id, config: {} });
  }
}

/** The cgroup of pods that name it: the kubelet makes and removes it on a node. */
export const POD_CGROUP = "cri-test-pods";

/** Removes it from each hierarchy in which somebody made it; pods have left it. */
async function removeCgroups(): Promise<void> {
  for await (const { name } of Deno.readDir("/sys/fs/cgroup")) {
    const path = `/sys/fs/cgroup/${name}/${POD_CGROUP}`;
    if (await Deno.stat(path).then(() => true, () => false)) await output(["rmdir", path]);
  }
}

async function removeBridge(): Promise<void> {
  if (await Deno.stat(`/sys/class/net/${BRIDGE}`).then(() => true, () => false)) {
    await output(["ip", "link", "delete", BRIDGE]);
  }
}

/** Lines of a log without time, stream and tag. Source: CRI's log format. */
export function logText(log: string): string {
  return log.split("\n").map((line) => line.replace(/^\S+ std(out|err) [FP] ?/, "")).join("\n");
}
