import { isAlive } from "../../common/linux/process.ts";
import { processMetrics } from "../metrics/process_metrics.ts";
import type { SavedSandbox } from "../sandbox/state_file.ts";
import { findSandbox } from "./find_sandbox.ts";
import { OciError } from "./oci/oci_error.ts";
import { askSandbox } from "./operator_socket.ts";

/** What the host knows of the sandbox's processes. */
function hostMetrics({ shim, vm }: SavedSandbox): string {
  const processes = [
    { role: "shim", ...shim },
    ...(vm?.processes ?? []),
  ].filter(({ pid, startTime }) => isAlive(pid, startTime));
  return processMetrics(processes);
}

/** `metrics SANDBOX`: figures of the host's processes and of the guest, in Prometheus' text format. */
export async function metrics([name, surplus]: readonly string[]): Promise<string> {
  if (name === undefined || surplus !== undefined) {
    throw new OciError("usage: kata-runtime metrics SANDBOX", 2);
  }
  const host = hostMetrics(await findSandbox(name));
  const connection = await askSandbox(name, "metrics");
  return host + await new Response(connection.readable).text();
}
