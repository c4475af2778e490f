import { cleanUpSandbox } from "../sandbox/clean_up.ts";
import { removeCgroups } from "../sandbox/cgroup/remove.ts";
import { sandboxIdentity } from "../sandbox/identity.ts";
import { killServer } from "../sandbox/kill_server.ts";
import { isServed } from "../sandbox/sandbox_record.ts";
import { loadState } from "../sandbox/state_file.ts";
import { daemonFolder } from "./folder.ts";
import { OCI_NAMESPACE } from "./namespace.ts";

/** Ends the daemon of a pod that is still being made, and with it the pod. It tells nobody any more. */
export async function killPod(root: string, sandboxId: string): Promise<void> {
  const { key } = await sandboxIdentity(root, OCI_NAMESPACE, sandboxId);
  const state = await loadState(key);
  if (state) await killServer(state);
}

/**
 * Removes what the daemon of a pod left that was killed. A pod that is served is left alone; repeating is harmless.
 * @param cgroup That of one of its containers, which goes too; empty: not known, so that of the first, above the VM's.
 */
export async function cleanUpPod(
  root: string,
  sandboxId: string,
  cgroup: readonly string[],
): Promise<void> {
  const { key } = await sandboxIdentity(root, OCI_NAMESPACE, sandboxId);
  const state = await loadState(key);
  if (state && isServed(state)) return;
  if (state) await cleanUpSandbox(state);
  const container = cgroup.length > 0 ? cgroup : state?.cgroups?.[0]?.slice(0, -1) ?? [];
  if (container.length > 0) await removeCgroups([container]);
  const { path } = await daemonFolder(root, sandboxId);
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
