import {
  containerFolder,
  type ContainerState,
  loadContainerState,
} from "../../pod_daemon/container_state.ts";
import { noContainer, OciError } from "./oci_error.ts";

/** What runc accepts as an id, and no longer than a sandbox's. Source: runc's validateID. */
const ID = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX_ID = 76;

/** @returns The one id among the arguments. @throws {OciError} As runc words it. */
export function idOf(rest: readonly string[], verb: string, exactly = true): string {
  const [id] = rest;
  if (id === undefined || (exactly && rest.length !== 1)) {
    throw new OciError(
      `"kata-runtime ${verb}" requires ${exactly ? "exactly" : "a minimum of"} 1 argument`,
    );
  }
  return checkedId(id);
}

/** @throws {OciError} Not an id: it never becomes part of a path. */
export function checkedId(id: string): string {
  if (id === "") throw new OciError("container id cannot be empty");
  if (id.length <= MAX_ID && ID.test(id)) return id;
  throw new OciError("invalid container ID format");
}

/** A container's state. @throws {OciError} There is none of that id. */
export function findContainer(root: string, id: string): ContainerState {
  const state = loadContainerState(root, id);
  if (state) return state;
  throw noContainer();
}

/** Whether anything of the container is there, be it what a create left that was killed. */
export function isKnown(root: string, id: string): boolean {
  try {
    return Deno.lstatSync(containerFolder(root, id)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
