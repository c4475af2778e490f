import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { SIGNALS } from "../../../common/linux/signals.ts";
import { connectPod, type PodClient } from "../../pod_daemon/client.ts";
import {
  containerFolder,
  type ContainerState,
  loadContainerState,
} from "../../pod_daemon/container_state.ts";
import { idOf, isKnown } from "./find.ts";
import { parseFlags } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { noContainer, OciError } from "./oci_error.ts";

function removeFolder(root: string, id: string): void {
  try {
    Deno.removeSync(containerFolder(root, id), { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What a daemon that was killed has left: its VM, share and mounts, and the state of the container. */
async function cleanUp(
  root: string,
  { id, sandboxId, cgroup }: Pick<ContainerState, "id" | "sandboxId" | "cgroup">,
): Promise<void> {
  const { cleanUpPod } = await import("../../pod_daemon/clean_up.ts");
  await cleanUpPod(root, sandboxId, cgroup);
  removeFolder(root, id);
}

async function endContainer({ task }: PodClient, id: string): Promise<void> {
  const ended = task.wait({ id });
  try {
    await task.kill({ id, signal: SIGNALS.SIGKILL, all: true });
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === Code.NotFound)) throw error; // it has ended by itself
  }
  await ended;
}

async function deleteServed(pod: PodClient, { id, status }: ContainerState): Promise<void> {
  if (status !== "stopped") await endContainer(pod, id);
  else await pod.task.wait({ id });
  await pod.task.delete({ id });
  await pod.endIfEmpty();
}

/** What a create left that was killed before the container was there, or what one is about to make. */
async function deleteRemains(root: string, id: string, force: boolean): Promise<string> {
  if (!force) throw noContainer();
  if (!isKnown(root, id)) return "";
  const { killPod } = await import("../../pod_daemon/clean_up.ts");
  await killPod(root, id);
  await cleanUp(root, { id, sandboxId: id, cgroup: [] });
  return "";
}

/** `delete [--force] ID`: removes a container that has stopped or was not started; with `--force`, any. */
export async function deleteVerb({ root }: Globals, args: readonly string[]): Promise<string> {
  const { switches, rest } = parseFlags({ force: { kind: "switch", short: "f" } }, args);
  const id = idOf(rest, "delete"), force = switches.has("force");
  const state = loadContainerState(root, id);
  if (!state) return await deleteRemains(root, id, force);
  const { status } = state;
  if (!force && status !== "stopped" && status !== "created") {
    throw new OciError(`cannot delete container ${id} that is not stopped: ${status}`);
  }
  using pod = await connectPod(root, state.sandboxId);
  if (pod) await deleteServed(pod, state);
  else await cleanUp(root, state);
  return "";
}
