import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeleteResponseSchema } from "../../common/protocol/gen/containerd/task_pb.ts";
import { unmountRootfs } from "../storage/rootfs.ts";
import { cleanUpSandbox } from "../sandbox/clean_up.ts";
import { checkId } from "../sandbox/identity.ts";
import { killServer } from "../sandbox/kill_server.ts";
import { findByContainer, isServed } from "../sandbox/sandbox_record.ts";
import { listSandboxes, type SavedSandbox } from "../sandbox/state_file.ts";
import { socketPath } from "./address.ts";
import { loadExit } from "./exit_file.ts";
import type { Invocation } from "./invocation.ts";

/** 128 + SIGKILL: the status of a container that ends with its shim. Source: runc's shim. */
const KILLED_STATUS = 137;

/** A shim that serves nothing but the container to be deleted goes with it; a pod's lives on. */
async function endShim(state: SavedSandbox, containerId: string): Promise<void> {
  const others = Object.keys(state.containers).filter((id) => id !== containerId);
  if (others.length === 0) await killServer(state);
}

async function removeSocket(invocation: Invocation, sandboxId: string): Promise<void> {
  const path = await socketPath(invocation.address, invocation.namespace, sandboxId);
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The `delete` action: removes what a dead shim left, and says how the container ended. Repeating is harmless.
 * @returns An encoded DeleteResponse.
 */
export async function deleteLeftovers(invocation: Invocation): Promise<Uint8Array> {
  const id = checkId(invocation.id);
  const bundle = invocation.bundle || Deno.cwd();
  const state = await findSandbox(invocation);
  const saved = state?.containers[id];
  if (state) {
    await endShim(state, id);
    if (!isServed(state)) {
      await cleanUpSandbox(state);
      await removeSocket(invocation, state.id);
    }
  }
  unmountRootfs(`${bundle}/rootfs`);
  const known = loadExit(bundle), exit = known?.exit ?? saved?.exit;
  return toBinary(
    DeleteResponseSchema,
    create(DeleteResponseSchema, {
      pid: known?.pid ?? saved?.pid ?? 0,
      exitStatus: exit?.status ?? KILLED_STATUS,
      exitedAt: timestampFromMs(exit?.at ?? Date.now()),
    }),
  );
}

/** The sandbox that has the container, or was being made for it when its shim died. */
async function findSandbox(
  { namespace, id, address }: Invocation,
): Promise<SavedSandbox | undefined> {
  const keys = await listSandboxes();
  const { sandboxIdentity } = await import("../sandbox/identity.ts");
  const { loadState } = await import("../sandbox/state_file.ts");
  const own = await sandboxIdentity(address, namespace, id);
  return await loadState(own.key) ?? await findByContainer(keys, namespace, id);
}
