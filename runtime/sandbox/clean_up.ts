import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { cleanUp as cleanUpVm } from "../hypervisor/clean_up.ts";
import { cleanUpNetwork } from "../network/saved_network.ts";
import { cleanUpShare } from "../share_fs/drivers.ts";
import { unmountRootfs } from "../storage/rootfs.ts";
import { readBundle } from "./bundle.ts";
import { removeCgroups } from "./cgroup/remove.ts";
import { ContainerHooks } from "./hooks.ts";
import { sandboxFolder } from "./paths.ts";
import { cleanUpSpare } from "./spare_record.ts";
import type { SavedSandbox } from "./state_file.ts";

/** Runs the poststop hooks of a container; without its bundle nobody knows of any. */
async function runPoststopHooks(id: string, bundle: string): Promise<void> {
  try {
    await ContainerHooks.parse(await readBundle(bundle), id, bundle).stopped();
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === Code.NotFound)) throw error;
  }
}

/**
 * Removes everything of a sandbox whose shim is gone. Every part is tried, whatever becomes of the others.
 * Repeating is harmless.
 * @throws {AggregateError} Parts that could not be removed; the state stays, so that it can be tried again.
 */
export async function cleanUpSandbox(state: SavedSandbox): Promise<void> {
  const failures: Error[] = [];
  const attempt = async (part: string, work: () => void | Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (cause) {
      failures.push(new Error(`Cannot remove ${part}: ${messageOf(cause)}`, { cause }));
    }
  };
  const { vm, cgroups, network } = state;
  if (vm) await attempt("the VM", () => cleanUpVm(vm));
  if (cgroups) await attempt("its cgroups", () => removeCgroups(cgroups));
  if (network) await attempt("the network", () => cleanUpNetwork(network, state.key));
  await attempt("the share", () => cleanUpShare(state.key));
  const { spare } = state;
  if (spare) await attempt("what its VM had before", () => cleanUpSpare(spare, vm));
  for (const [id, { bundle, rootfsMounted }] of Object.entries(state.containers)) {
    if (rootfsMounted) {
      await attempt(`the root file system of "${id}"`, () => unmountRootfs(`${bundle}/rootfs`));
    }
  }
  for (const [id, { bundle }] of Object.entries(state.containers)) {
    await attempt(`what the hooks of "${id}" made`, () => runPoststopHooks(id, bundle));
  }
  if (failures.length > 0) {
    throw new AggregateError(failures, failures.map(messageOf).join("; "));
  }
  await Deno.remove(sandboxFolder(state.key), { recursive: true });
}
