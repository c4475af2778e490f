import { GUEST_PID_BASE } from "../../sandbox/guest_pids.ts";
import { run } from "../../../common/linux/subprocess.ts";
import { OciError } from "./oci_error.ts";

/** Longest time for ps(1), in milliseconds. */
const PS_MS = 10_000;

/** Keeps the lines of ps(1) that tell of these processes. Source: runc's ps.go. */
function filterTable(text: string, pids: readonly number[]): string {
  const [head = "", ...lines] = text.split("\n");
  const column = head.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw new OciError("couldn't find PID field in ps output");
  const kept = lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[column])));
  return [head, ...kept, ""].join("\n");
}

/** Prints the host's among a task's processes, as JSON or as ps(1) does with the options, `-ef` by default. @throws {OciError} */
export async function printProcesses(
  all: readonly number[],
  format: string,
  options: readonly string[],
): Promise<string> {
  const pids = all.filter((pid) => pid < GUEST_PID_BASE);
  if (format === "json") return JSON.stringify(pids) + "\n";
  if (format !== "table") throw new OciError("invalid format option");
  const { code, stdout, stderr } = await run(
    ["/bin/ps", ...options.length > 0 ? options : ["-ef"]],
    {
      timeoutMs: PS_MS,
    },
  );
  if (code !== 0) throw new OciError(`ps: ${stderr.trim()}`);
  return filterTable(stdout, pids);
}
