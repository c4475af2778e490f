import { Code, RuntimeError } from "../../common/base/errors.ts";
import { listSandboxes, loadState, type SavedSandbox } from "../sandbox/state_file.ts";

/** All sandboxes whose state can be read, by key. */
export async function allSandboxes(): Promise<SavedSandbox[]> {
  const keys = (await listSandboxes()).sort();
  const states = await Promise.all(keys.map(loadState));
  return states.filter((state) => state !== undefined);
}

/**
 * The sandbox that an operator means: by its id, or by the beginning of its id or key.
 * @throws {RuntimeError} NotFound, or InvalidArgument when several match.
 */
export async function findSandbox(name: string): Promise<SavedSandbox> {
  const states = await allSandboxes();
  const exact = states.filter(({ id, key }) => id === name || key === name);
  const matches = exact.length > 0 ? exact : states.filter(({ key }) => key.startsWith(name));
  const [only, second] = matches;
  if (!only) throw new RuntimeError(Code.NotFound, `Cannot find a sandbox named "${name}"`);
  if (!second) return only;
  const keys = matches.map(({ key }) => key).join(", ");
  throw new RuntimeError(Code.InvalidArgument, `Cannot tell which sandbox "${name}" is: ${keys}`);
}
