/** A shim that a test starts and calls as containerd would, step by step. */
import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";
import { command, output } from "../../tools/lib/command.ts";
import { BUSYBOX_PATH } from "./busybox_image.ts";
import { SHIM_PATH } from "./containerd.ts";

const CALL_TIMEOUT_MS = 120_000;

/** A bundle whose root file system is busybox alone, and the shim that serves it. */
export class ShimByHand implements AsyncDisposable {
  #connection: TtrpcClient | undefined;

  private constructor(readonly id: string, readonly bundle: string, readonly address: string) {}

  /** Runs `start`. @param args What the container's init is. */
  static async start(id: string, args: readonly string[]): Promise<ShimByHand> {
    const bundle = await makeBundle(args);
    const address = await output(
      [SHIM_PATH, ...identity(id), "start"],
      { cwd: bundle, env: { TTRPC_ADDRESS: "" } },
    );
    return new ShimByHand(id, bundle, address);
  }

  /** Path of the shim's socket. */
  get socket(): string {
    return this.address.replace(/^unix:\/\//, "");
  }

  /** Pid of the shim. */
  get pid(): number {
    return Number(Deno.readTextFileSync(`${this.bundle}/shim.pid`));
  }

  /** A new connection of ours; the one before is closed. */
  async connect(): Promise<Client<typeof Task>> {
    this.disconnect();
    const connection = await Deno.connect({ transport: "unix", path: this.socket });
    this.#connection = new TtrpcClient(connection);
    return createClient(Task, this.#connection, { timeoutMs: CALL_TIMEOUT_MS });
  }

  /** The client goes away, as one that lost patience. */
  disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Runs the `delete` action. */
  async delete(): Promise<void> {
    await output([SHIM_PATH, ...identity(this.id), "-bundle", this.bundle, "delete"], {
      cwd: this.bundle,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    await command([SHIM_PATH, ...identity(this.id), "-bundle", this.bundle, "delete"], {
      cwd: this.bundle,
    });
    await Deno.remove(this.bundle, { recursive: true });
  }
}

function identity(id: string): string[] {
  return ["-namespace", "hand", "-address", "/run/no-such-engine.sock", "-id", id];
}

async function makeBundle(args: readonly string[]): Promise<string> {
  const bundle = await Deno.makeTempDir({ prefix: "kata-hand-" });
  await Deno.mkdir(`${bundle}/rootfs/bin`, { recursive: true });
  await Deno.copyFile(BUSYBOX_PATH, `${bundle}/rootfs/bin/busybox`);
  for (const name of ["sh", "sleep", "true"]) {
    await Deno.symlink("busybox", `${bundle}/rootfs/bin/${name}`);
  }
  for (const name of ["proc", "dev", "tmp"]) await Deno.mkdir(`${bundle}/rootfs/${name}`);
  const namespaces = ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type }));
  const spec = {
    ociVersion: "1.0.2",
    root: { path: "rootfs" },
    process: { args, cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    linux: { namespaces },
  };
  await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec));
  return bundle;
}
