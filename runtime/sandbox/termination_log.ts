import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { O, open } from "../../common/linux/fd.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { isObject, type JsonObject } from "./bundle.ts";

/** As much as Kubernetes keeps, in bytes; what a guest says beyond that is cut. */
const MAX_BYTES = 4096;
/** A guest that does not answer in time has nothing to say. */
const TIMEOUT_MS = 2_000;
const DEFAULT_PATH = "/dev/termination-log";
const PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath";

/** What is needed of the agent. */
interface Agent {
  getDiagnosticData(
    request: { logType: string; containerId: string },
    options: { timeoutMs: number },
  ): Promise<{ data: string }>;
}

/** The host's file for a container's termination message, if the engine gave it one. */
export function terminationFile(json: JsonObject): string | undefined {
  const annotations = isObject(json.annotations) ? json.annotations : {};
  const path = annotations[PATH_ANNOTATION] ?? DEFAULT_PATH;
  const mounts = Array.isArray(json.mounts) ? json.mounts.filter(isObject) : [];
  const source = mounts.findLast(({ destination }) => destination === path)?.source;
  return typeof source === "string" ? source : undefined;
}

/** Brings a container's termination message to the host, where no share does. Failures are told, never thrown. */
export async function fetchTerminationLog(
  agent: Agent,
  containerId: string,
  file: string,
): Promise<void> {
  try {
    const { data } = await agent.getDiagnosticData(
      { logType: "termination_log", containerId },
      { timeoutMs: TIMEOUT_MS },
    );
    if (data !== "") writeTo(file, data);
  } catch (error) {
    log.warn("Cannot fetch a termination message", {
      ...{ container: containerId, reason: messageOf(error) },
    });
  }
}

/** The guest's bytes go into a file that is there, and through no link. */
function writeTo(file: string, text: string): void {
  using fd = new OwnedFd(open(file, O.WRONLY | O.TRUNC | O.NOFOLLOW | O.NONBLOCK));
  using target = Deno.openSync(`/proc/self/fd/${fd.fd}`, { write: true });
  if (!target.statSync().isFile) throw new TypeError(`"${file}" is not a file`);
  const bytes = new TextEncoder().encode(text.slice(0, MAX_BYTES)).subarray(0, MAX_BYTES);
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(target.writeSync(rest));
}
