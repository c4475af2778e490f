import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";
import { listContainerStates } from "./container_state.ts";
import { daemonFolder } from "./folder.ts";

/** Longest wait for a daemon that was told to end, in milliseconds. */
const END_MS = 5_000;

/** A connection to a pod's daemon. */
export interface PodClient extends Disposable {
  readonly task: Client<typeof Task>;
  /** Where streams and relays are handed over. */
  readonly attachSocket: string;
  /** Ends the daemon when it has no containers left, and waits until it is gone. */
  endIfEmpty(): Promise<void>;
}

/** Connects to the daemon of a pod. @returns `undefined` when there is none. */
export async function connectPod(root: string, sandboxId: string): Promise<PodClient | undefined> {
  const { socket, attachSocket } = await daemonFolder(root, sandboxId);
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path: socket });
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.ConnectionRefused;
    if (gone) return undefined;
    throw error;
  }
  const client = new TtrpcClient(connection);
  const task = createClient(Task, client, { timeoutMs: undefined });
  return {
    task,
    attachSocket,
    endIfEmpty: async () => {
      if (listContainerStates(root).some((state) => state.sandboxId === sandboxId)) return;
      await task.shutdown({ id: sandboxId });
      const timer = setTimeout(() => client.close(), END_MS);
      await client.closed;
      clearTimeout(timer);
    },
    [Symbol.dispose]: () => client.close(),
  };
}
