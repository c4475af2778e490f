import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { ExitStatus } from "../../common/linux/reaper.ts";
import { exitText } from "./exit_text.ts";
import type { VmExit } from "./hypervisor.ts";
import type { TextTail } from "./text_tail.ts";
import { type RunningVmProcess, settlesWithin } from "./vm_process.ts";

/** How long a VMM may take to quit when asked, and again to die when killed: it frees the guest's memory meanwhile. */
const STOP_MS = 3000;
/** Lines of the guest's console in the reason of an exit. */
const CONSOLE_LINES = 8;

export interface VmEndParts {
  /** The VMM's name, for people. */
  readonly vmm: string;
  readonly process: RunningVmProcess;
  /** What the guest wrote to its console. */
  readonly console: TextTail;
  /** Frees the rest: connections and sockets. Called once, when the process has ended. */
  readonly release: () => Promise<void>;
  /** What an end by itself means for this VMM, where its status tells. */
  readonly explain?: (status: ExitStatus) => string | undefined;
}

/** The end of a VM whose VMM is one process: brings it about, and says why it came. */
export class VmEnd {
  readonly #parts: VmEndParts;
  readonly #causes = new Set<string>();
  #over = false;
  #stopping: Promise<void> | undefined;
  /** Resolves, never rejects, when nothing of the VM is left. */
  readonly exited: Promise<VmExit>;

  constructor(parts: VmEndParts) {
    this.#parts = parts;
    this.exited = this.#follow();
  }

  /** Notes a cause for the end that is to come. */
  note(cause: string): void {
    this.#causes.add(cause);
  }

  /** Ends a VM that cannot go on. */
  async fail(cause: string): Promise<void> {
    if (this.#over) return;
    this.note(cause);
    await this.#parts.process.kill();
  }

  /**
   * Ends the VM: by `quit` within a bound, then by SIGKILL. Idempotent.
   * @throws {RuntimeError} DeadlineExceeded: the process does not die.
   */
  stop(quit: () => Promise<unknown>): Promise<void> {
    return this.#stopping ??= this.#stop(quit);
  }

  async #stop(quit: () => Promise<unknown>): Promise<void> {
    const { process, vmm } = this.#parts;
    if (!this.#over) {
      this.note("it was stopped");
      quit().catch(() => {}); // it may end before it answers; if it does not end, it is killed
      if (!await settlesWithin(this.exited, STOP_MS)) void process.kill();
    }
    if (await settlesWithin(this.exited, STOP_MS)) return;
    throw new RuntimeError(
      Code.DeadlineExceeded,
      `${vmm} (pid ${process.pid}) does not die of SIGKILL`,
    );
  }

  async #follow(): Promise<VmExit> {
    const { process, release, vmm, console, explain } = this.#parts;
    const status = await process.exited;
    this.#over = true;
    await release();
    const meaning = this.#stopping ? undefined : explain?.(status);
    if (meaning !== undefined) this.note(meaning);
    const lastWords = this.#stopping ? "" : console.panic() ?? console.lines(CONSOLE_LINES);
    const reason = [
      `${vmm} ${exitText(status, process.output.lines(3))}`,
      ...this.#causes,
      ...(lastWords === "" ? [] : [`the guest's console ends with: ${lastWords}`]),
    ].join("; ");
    return { reason, ...status };
  }
}
