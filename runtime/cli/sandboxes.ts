import { isServed } from "../sandbox/sandbox_record.ts";
import type { SavedSandbox } from "../sandbox/state_file.ts";
import { allSandboxes } from "./find_sandbox.ts";
import { table } from "./table.ts";

const COLUMNS = ["SANDBOX", "NAMESPACE", "VM PID", "SHIM PID", "STATE", "CONTAINERS"];

/** `orphaned` sandboxes lost their shim; the engine's clean-up removes them. */
function stateOf(state: SavedSandbox): string {
  return isServed(state) ? "served" : "orphaned";
}

function row(state: SavedSandbox): string[] {
  const vmPid = state.vm?.processes.find(({ role }) => role === "qemu")?.pid;
  const count = Object.keys(state.containers).length;
  return [
    state.id,
    state.namespace,
    `${vmPid ?? "-"}`,
    `${state.shim.pid}`,
    stateOf(state),
    `${count}`,
  ];
}

/** `kata-runtime sandboxes`: the sandboxes of this host, also those of other engines and namespaces. */
export async function sandboxes(args: readonly string[]): Promise<string> {
  const states = await allSandboxes();
  if (args.includes("--json")) {
    return JSON.stringify(states.map((state) => ({ ...state, state: stateOf(state) })), null, 2) +
      "\n";
  }
  return table(COLUMNS, states.map(row));
}
