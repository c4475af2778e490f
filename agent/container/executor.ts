/** The additional processes of one container. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { ContainerTools } from "./container.ts";
import { checkId } from "./ids.ts";
import { type OciProcess, stringifyOci } from "./oci_types.ts";
import { ContainerProcess } from "./process.ts";
import { openIo, type ProcessIo, type StreamPorts } from "./process_io.ts";
import { scratchPrefix } from "./scratch.ts";

/** Processes that the host never waits for must not fill the memory. */
const MAX_PROCESSES = 4096;
/** How long the output of a process whose exit was told can still be read by calls. */
const LINGER_MS = 30_000;

export class Executor {
  readonly #containerId: string;
  readonly #tools: ContainerTools;
  /** `undefined` while crun makes the process. */
  readonly #processes = new Map<string, ContainerProcess | undefined>();
  readonly #told = new Set<string>();
  readonly #open = new Set<ProcessIo>();

  constructor(containerId: string, tools: ContainerTools) {
    this.#containerId = containerId;
    this.#tools = tools;
  }

  /** @throws {RuntimeError} NotFound. */
  process(execId: string): ContainerProcess {
    const process = this.#processes.get(execId);
    if (process) return process;
    throw new RuntimeError(
      Code.NotFound,
      `Container "${this.#containerId}" has no process ${JSON.stringify(execId)}`,
    );
  }

  /** Those of all processes that it has started and that still run. */
  get pids(): number[] {
    return [...this.#processes.values()].flatMap((each) => each?.running ? [each.pid] : []);
  }

  /** Makes a process. @param atExit Called before its exit is told. */
  async run(
    execId: string,
    process: OciProcess,
    ports: StreamPorts,
    atExit: () => void,
  ): Promise<void> {
    this.#reserve(checkId(execId, "exec"));
    try {
      this.#processes.set(execId, await this.#make(process, ports, atExit));
    } catch (error) {
      this.#processes.delete(execId);
      throw error;
    }
  }

  async #make(
    process: OciProcess,
    ports: StreamPorts,
    atExit: () => void,
  ): Promise<ContainerProcess> {
    const scratch = await scratchPrefix(this.#tools.paths);
    using undo = new DisposableStack();
    const io = undo.use(
      await openIo(process.terminal ?? false, ports, this.#tools, scratch),
    );
    const pid = await this.#exec(process, io, scratch);
    await io.started();
    undo.move();
    this.#keep(io);
    return new ContainerProcess(pid, io, atExit);
  }

  async #exec(process: OciProcess, io: ProcessIo, scratch: string): Promise<number> {
    const processFile = `${scratch}.json`;
    await Deno.writeTextFile(processFile, stringifyOci(plain(process)));
    try {
      const { fds, consoleSocket } = io;
      const program = process.args[0] ?? "";
      return await this.#tools.crun.exec(this.#containerId, {
        processFile,
        scratch,
        program,
        fds,
        consoleSocket,
      });
    } finally {
      await Deno.remove(processFile);
    }
  }

  #keep(io: ProcessIo): void {
    this.#open.add(io);
    io.ended().then(() => this.#closeIo(io));
  }

  #closeIo(io: ProcessIo): void {
    if (this.#open.delete(io)) io.close();
  }

  #reserve(execId: string): void {
    if (this.#told.has(execId)) this.#forget(execId);
    if (this.#processes.has(execId)) {
      throw new RuntimeError(
        Code.AlreadyExists,
        `Container "${this.#containerId}" already has a process "${execId}"`,
      );
    }
    if (this.#processes.size >= MAX_PROCESSES) {
      throw new RuntimeError(
        Code.ResourceExhausted,
        `Container "${this.#containerId}" has ${MAX_PROCESSES} processes that nobody waited for`,
      );
    }
    this.#processes.set(execId, undefined);
  }

  /** The exit of a process was told: it is forgotten, at once or when its last output was read. */
  told(execId: string): void {
    const process = this.#processes.get(execId);
    if (!process || this.#told.has(execId)) return;
    this.#told.add(execId);
    const forget = (): void => {
      clearTimeout(late);
      if (this.#processes.get(execId) === process) this.#forget(execId);
    };
    const late = setTimeout(forget, LINGER_MS);
    process.io.ended().then(forget);
  }

  #forget(execId: string): void {
    this.#processes.delete(execId);
    this.#told.delete(execId);
  }

  /** Closes all streams. */
  close(): void {
    for (const io of [...this.#open]) this.#closeIo(io);
  }
}

/** Labels that the guest has no policy for. */
function plain(process: OciProcess): OciProcess {
  const kept = { ...process };
  delete kept.apparmorProfile;
  delete kept.selinuxLabel;
  return kept;
}
