import type { ContainerState } from "../../pod_daemon/container_state.ts";
import { findContainer, idOf } from "./find.ts";
import { parseFlags } from "./flags.ts";
import type { Globals } from "./globals.ts";

/** A container's state, as the runtime specification has it and runc adds to it. */
export function stateJson(state: ContainerState): Record<string, unknown> {
  const { ociVersion, id, pid, status, bundle, rootfs, created, annotations, owner } = state;
  return {
    ociVersion,
    id,
    pid: status === "stopped" ? 0 : pid,
    status,
    bundle,
    rootfs,
    created,
    annotations,
    owner,
  };
}

/** `state ID`: from the state file alone, as engines ask often. */
export function state({ root }: Globals, args: readonly string[]): string {
  const id = idOf(parseFlags({}, args).rest, "state");
  return JSON.stringify(stateJson(findContainer(root, id)), null, 2) + "\n";
}
