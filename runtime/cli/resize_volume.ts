import { messageOf } from "../../common/base/errors.ts";
import { closeQuietly } from "../../common/protocol/transport/connection.ts";
import { parseBytes, RESIZE_MS, resizeLine, type VolumeSize } from "../sandbox/resize_volume.ts";
import { readDirectVolume } from "../storage/direct_volume.ts";
import { allSandboxes } from "./find_sandbox.ts";
import { OciError } from "./oci/oci_error.ts";
import { askSandbox } from "./operator_socket.ts";

/** Longest wait for how it went, in milliseconds: longer than a sandbox waits for its guest. */
const RESULT_MS = RESIZE_MS + 15_000;

/** @returns What a sandbox says of the request; see serveResize. @throws It does not answer. */
async function answerOf(sandbox: string, size: VolumeSize): Promise<string> {
  const connection = await askSandbox(sandbox, resizeLine(size));
  const timer = setTimeout(() => closeQuietly(connection), RESULT_MS);
  try {
    const text = await new Response(connection.readable).text();
    return text.trim() || Promise.reject(new Error("it ended"));
  } finally {
    clearTimeout(timer);
  }
}

/** @param silent Gets why a sandbox does not answer. @returns False: it does not use the volume, as far as is known. */
async function resizedIn(sandbox: string, size: VolumeSize, silent: string[]): Promise<boolean> {
  let answer: string;
  try {
    answer = await answerOf(sandbox, size);
  } catch (error) {
    silent.push(`"${sandbox}": ${messageOf(error)}`);
    return false;
  }
  if (answer === "true" || answer === "false") return answer === "true";
  throw new OciError(`Sandbox "${sandbox}": ${answer}`);
}

/**
 * Has a direct-assigned volume grow in every sandbox that uses it, once its disk was made larger on the host.
 * @param size In bytes.
 * @throws {OciError} Status 2: not a size. Not a direct-assigned volume; nobody uses it; or what a sandbox says.
 */
export async function resizeVolume(volume: string, size: string): Promise<string> {
  const bytes = parseBytes(size);
  if (bytes === undefined) {
    throw new OciError(`${JSON.stringify(size)} is not a size: a positive number of bytes`, 2);
  }
  if (!readDirectVolume(volume)) throw new OciError(`"${volume}" is no direct-assigned volume`);
  const silent: string[] = [];
  let used = false;
  for (const { key } of await allSandboxes()) {
    if (await resizedIn(key, { volume, bytes }, silent)) used = true;
  }
  if (used) return "";
  const unknown = silent.length === 0 ? "" : `; without an answer: ${silent.join("; ")}`;
  throw new OciError(`No running sandbox has the volume "${volume}"${unknown}`);
}
