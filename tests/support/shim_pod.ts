/** A pod driven through the shim's own protocol, without an engine: any root file system, mount or device can be asked for. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { MountSchema } from "../../common/protocol/gen/containerd/mount_pb.ts";
import { OptionsSchema } from "../../common/protocol/gen/containerd/runtime_options_pb.ts";
import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";
import { output } from "../../tools/lib/command.ts";
import { SHIM_PATH } from "./containerd.ts";

const CALL_TIMEOUT_MS = Number(Deno.env.get("KATA_TEST_CALL_TIMEOUT_MS") ?? 120_000);
/** Longest wait for a container's words. */
const OUTPUT_MS = 60_000;
const CAPABILITIES = [
  ...["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_SETGID"],
  ...["CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_SYS_ADMIN"],
];

/** An entry of `mounts`. */
export interface PodMount {
  readonly destination: string;
  readonly source: string;
  readonly type?: string;
  readonly options?: readonly string[];
}

export interface PodContainer {
  /** What the engine would give to mount as root file system; none: the pod's own folder. */
  readonly rootfs?: readonly MessageInitShape<typeof MountSchema>[];
  readonly readonly?: boolean;
  readonly mounts?: readonly PodMount[];
  /** Entries of `linux.devices`. */
  readonly devices?: readonly Record<string, unknown>[];
  /** More of `linux.resources`. */
  readonly resources?: Record<string, unknown>;
}

/** A process's end. */
export interface PodResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A pod of one VM with any number of containers. Disposing of it ends it. */
export class ShimPod implements AsyncDisposable {
  readonly #task: Client<typeof Task>;
  readonly #client: TtrpcClient;
  readonly #containers = new Set<string>();
  #next = 0;

  private constructor(
    readonly id: string,
    readonly folder: string,
    /** Where the shim listens. */
    readonly address: string,
    client: TtrpcClient,
  ) {
    this.#client = client;
    this.#task = createClient(Task, client, { timeoutMs: CALL_TIMEOUT_MS });
  }

  /**
   * Starts a pod whose containers have a copy of `rootfs` where they name no other.
   * @param config Lines of a configuration file.
   */
  static async start(
    id: string,
    config: readonly string[],
    rootfs: string,
    first: PodContainer = {},
  ): Promise<ShimPod> {
    const folder = await Deno.makeTempDir({ prefix: "kata-pod-" });
    await output(["cp", "-a", rootfs, `${folder}/rootfs`]);
    await Deno.writeTextFile(`${folder}/config.toml`, `${config.join("\n")}\n`);
    const bundle = await makeBundle(folder, id, id, ["sleep", "100000"], first, "sandbox");
    const args = ["-namespace", "test", "-address", "/run/no-such-engine.sock", "-id", id, "start"];
    const child = new Deno.Command(SHIM_PATH, { args, cwd: bundle, stdin: "null" });
    const { stdout, stderr, success } = await child.output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    if (!success) throw new Error(`The shim does not start: ${text(stderr)}`);
    const path = text(stdout).replace("unix://", "");
    const client = new TtrpcClient(await Deno.connect({ transport: "unix", path }));
    const pod = new ShimPod(id, folder, path, client);
    try {
      await pod.#create(id, bundle, first, {});
      await pod.#task.start({ id });
      return pod;
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a shell script in a container of its own, from Create to Delete. */
  async run(script: string, container: PodContainer = {}): Promise<PodResult> {
    const { id, wait } = await this.launch(script, container);
    const result = await wait();
    await this.remove(id);
    return result;
  }

  /** Starts a shell script in a container of its own. */
  async launch(
    script: string,
    container: PodContainer = {},
  ): Promise<{ readonly id: string; wait(): Promise<PodResult> }> {
    const id = `${this.id}-c${this.#next++}`;
    const args = ["sh", "-c", script];
    const bundle = await makeBundle(this.folder, this.id, id, args, container, "container");
    const stdout = `${bundle}/stdout`, stderr = `${bundle}/stderr`;
    await this.#create(id, bundle, container, {
      stdout: `file://${stdout}`,
      stderr: `file://${stderr}`,
    });
    await this.#task.start({ id });
    const wait = async (): Promise<PodResult> => {
      const { exitStatus } = await this.#task.wait({ id });
      await this.#delete(id); // which waits until all output is written, as the exit does not
      return {
        code: exitStatus,
        stdout: await Deno.readTextFile(stdout),
        stderr: await Deno.readTextFile(stderr),
      };
    };
    return { id, wait };
  }

  /** Waits until a container's output begins with a text. */
  async outputOf(id: string, text: string): Promise<void> {
    const file = `${this.folder}/${id}/stdout`;
    const there = async (): Promise<boolean> => (await Deno.readTextFile(file)).startsWith(text);
    using watcher = Deno.watchFs(file);
    if (await there()) return;
    const late = setTimeout(() => watcher.close(), OUTPUT_MS);
    try {
      for await (const _ of watcher) if (await there()) return;
    } finally {
      clearTimeout(late);
    }
    throw new Error(`${JSON.stringify(text)} did not come: ${await Deno.readTextFile(file)}`);
  }

  async kill(id: string): Promise<void> {
    await this.#task.kill({ id, signal: 9, all: true });
  }

  /** Deletes a container, if that was not done, and its files. */
  async remove(id: string): Promise<void> {
    await this.#delete(id);
    await Deno.remove(`${this.folder}/${id}`, { recursive: true });
  }

  async #delete(id: string): Promise<void> {
    if (!this.#containers.delete(id)) return;
    await this.#task.delete({ id });
  }

  /** What the VMM's process is, by its role. */
  async pids(): Promise<ReadonlyMap<string, number>> {
    const states = JSON.parse(
      await output([SHIM_PATH.replace(/[^/]*$/, "kata-runtime"), "sandboxes", "--json"]),
    );
    const state = states.find((each: { id: string }) => each.id === this.id);
    return new Map(
      state.vm.processes.map(({ role, pid }: { role: string; pid: number }) => [role, pid]),
    );
  }

  async #create(
    id: string,
    bundle: string,
    { rootfs = [] }: PodContainer,
    streams: { stdout?: string; stderr?: string },
  ): Promise<void> {
    const options = create(OptionsSchema, { configPath: `${this.folder}/config.toml` });
    await this.#task.create({
      ...{ id, bundle, rootfs: [...rootfs], ...streams },
      options: create(AnySchema, {
        typeUrl: "runtimeoptions.v1.Options",
        value: toBinary(OptionsSchema, options),
      }),
    });
    this.#containers.add(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.#containers].reverse()) {
      await this.#task.kill({ id, signal: 9, all: true }).catch(() => {}); // it may have ended
      await this.#task.wait({ id }).catch(() => {});
      await this.#task.delete({ id }).catch(() => {});
    }
    await this.#task.shutdown({ id: this.id }).catch(() => {}); // a shim that was killed is gone
    await this.#client.closed;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/**
 * Writes a bundle, `id` in `folder`, for a container of a pod.
 * @returns Its path.
 */
export async function makeBundle(
  folder: string,
  podId: string,
  id: string,
  args: readonly string[],
  container: PodContainer,
  type: "sandbox" | "container",
): Promise<string> {
  const bundle = `${folder}/${id}`;
  await Deno.mkdir(`${bundle}/rootfs`, { recursive: true });
  const { rootfs = [], readonly = false, mounts = [], devices = [], resources = {} } = container;
  const capabilities = Object.fromEntries(
    ["bounding", "effective", "permitted"].map((set) => [set, CAPABILITIES]),
  );
  await Deno.writeTextFile(
    `${bundle}/config.json`,
    JSON.stringify({
      ociVersion: "1.0.2",
      root: { path: rootfs.length > 0 ? "rootfs" : `${folder}/rootfs`, readonly },
      process: {
        ...{ args, cwd: "/", user: { uid: 0, gid: 0 }, capabilities },
        env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      },
      annotations: {
        "io.kubernetes.cri.container-type": type,
        "io.kubernetes.cri.sandbox-id": podId,
      },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] },
        ...mounts,
      ],
      linux: {
        ...{ devices, resources },
        namespaces: ["mount", "ipc", "uts", "pid", "network"].map((type) => ({ type })),
      },
    }),
  );
  return bundle;
}
