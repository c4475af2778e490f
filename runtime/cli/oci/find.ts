import {
  containerFolder,
  type ContainerState,
  loadContainerState,
} from "../../pod_daemon/container_state.ts";
import { noContainer, OciError } from "./oci_error.ts";

/** What runc accepts as an id, and no longer than a sandbox's. Source: runc's validateID. */
const ID = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX_ID = 76;

/** How many words a verb takes. */
export interface WordCount {
  readonly min: number;
  readonly max: number;
}

/** Of a verb that takes none. */
export const NO_WORDS: WordCount = { min: 0, max: 0 };

/** @throws {OciError} There are more or fewer words than the verb takes; as runc's utils.go, checkArgs, words it. */
export function checkCount(rest: readonly string[], verb: string, { min, max }: WordCount): void {
  const wrong = (how: string, count: number): OciError =>
    new OciError(`kata-runtime: "${verb}" requires ${how} ${count} argument(s)`);
  if (min === max && rest.length !== min) throw wrong("exactly", min);
  if (rest.length < min) throw wrong("a minimum of", min);
  if (rest.length > max) throw wrong("a maximum of", max);
}

/** @returns The id, which is the first of the words. @throws {OciError} As runc words it. */
export function idOf(
  rest: readonly string[],
  verb: string,
  count: WordCount = { min: 1, max: 1 },
): string {
  checkCount(rest, verb, count);
  return checkedId(rest[0] ?? "");
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
