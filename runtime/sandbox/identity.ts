import { Code, RuntimeError } from "../../common/base/errors.ts";
import { sha256Hex } from "../../common/base/hex.ts";

/** Longest id that containerd hands out. Source: containerd pkg/identifiers, maxLength. */
const MAX_ID_LENGTH = 76;
const ID = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;

/** Longest part of an id kept in a folder's name: a VM's sockets inside must fit 107 bytes. */
const READABLE_LENGTH = 40;

/** Names one sandbox among all that all engines of the host run. */
export interface SandboxIdentity {
  /** Names the sandbox's folders and its VM; unique on the host, safe in a path. */
  readonly key: string;
  readonly id: string;
  readonly namespace: string;
}

/**
 * @returns The id, proven to be safe as one component of a path.
 * @throws {RuntimeError} InvalidArgument.
 */
export function checkId(id: string, what = "container"): string {
  if (id.length <= MAX_ID_LENGTH && ID.test(id)) return id;
  const shown = JSON.stringify(id.slice(0, MAX_ID_LENGTH));
  throw new RuntimeError(
    Code.InvalidArgument,
    `Cannot use ${shown} as a ${what} id: it must match ${ID} and have at most ${MAX_ID_LENGTH} characters`,
  );
}

/** Ids repeat between engines and namespaces, so the key carries a digest of all three. */
export async function sandboxIdentity(
  engineAddress: string,
  namespace: string,
  id: string,
): Promise<SandboxIdentity> {
  checkId(id, "sandbox");
  const digest = await sha256Hex([engineAddress, namespace, id].join("\n"));
  return {
    key: `${id.slice(0, READABLE_LENGTH)}-${digest.slice(0, 8)}`,
    id,
    namespace,
  };
}
