import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { Process } from "./process.ts";
import type { TerminalSize } from "./process_io.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * Sets a terminal's size at once or when the process starts; one without has nothing to set.
 * @throws {RuntimeError} FailedPrecondition: it has ended.
 */
export async function resizeTerminal(
  sandbox: Sandbox,
  process: Process,
  size: TerminalSize,
): Promise<void> {
  if (!process.terminal) return;
  const { is } = process.phase, { containerId, execId } = process.key;
  if (is === "stopped") {
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot resize the terminal of "${process.name}": it has stopped`,
    );
  }
  process.terminalSize = size;
  if (execId !== "" && (is === "created" || is === "starting")) return; // told with its start
  const { link } = await sandbox.guest;
  const { rows: row, columns: column } = size;
  await link.agent.ttyWinResize({ containerId, execId: execId || containerId, row, column });
}

/** Makes the guest's terminal as large as the host's, where there is one and it has a size. */
export async function followTerminal(sandbox: Sandbox, process: Process): Promise<void> {
  const size = process.io.terminalSize?.();
  if (size !== undefined && size.columns > 0) await resizeTerminal(sandbox, process, size);
}
