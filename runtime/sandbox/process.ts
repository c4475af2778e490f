import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";
import type { ProcessIo, TerminalSize } from "./process_io.ts";
import type { Relay, RelayRoot } from "./relay.ts";
import type { Exit } from "./state_file.ts";
import type { ProcessKey, StdioPump } from "./stdio_pump.ts";

/** What a process is doing; each verb names the phases it is allowed in. */
export type Phase =
  | { readonly is: "created" }
  | { readonly is: "starting" }
  | { readonly is: "running" }
  | { readonly is: "stopped"; readonly exit: Exit };

/** The status of a process of which nobody saw the end. */
export const UNKNOWN_STATUS = 255;

/** Longest time that output may still flow after the exit, in milliseconds. Source: runc's shim. */
const DRAIN_MS = 10_000;

/** A container's init or an exec, as the engine sees it. */
export class Process {
  readonly #exited = Promise.withResolvers<Exit>();
  readonly #closed = Promise.withResolvers<void>();
  #phase: Phase = { is: "created" };
  #pump: StdioPump | undefined;
  /** Its bytes have begun to flow. */
  #begun = false;
  #relay: Relay | undefined;
  #ran = false;
  /** As the client last set it. */
  terminalSize: TerminalSize | undefined;

  constructor(
    readonly key: ProcessKey,
    readonly io: ProcessIo,
    readonly terminal: boolean,
  ) {}

  get phase(): Phase {
    return this.#phase;
  }

  /** The pid that stands for it on the host, also after its end; 0 when it never had one. */
  get pid(): number {
    return this.#relay?.pid ?? 0;
  }

  /** Whether it ever ran: what never did has no exit to tell. */
  get ran(): boolean {
    return this.#ran;
  }

  /** Still has an end to come. */
  get active(): boolean {
    return this.#phase.is === "starting" || this.#phase.is === "running";
  }

  /** Resolves with how the process ended; valid before it starts and after it ended. */
  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Resolves when the last byte of output was written and the streams are closed. */
  get drained(): Promise<void> {
    return this.#closed.promise;
  }

  /** Takes over what carries the process's bytes, from the start on. */
  attach(pump: StdioPump): void {
    this.#pump = pump;
  }

  /** Gives it the process that stands for it on the host, which will end with it. */
  accompany(relay: Relay): void {
    this.#relay = relay;
    if (this.#phase.is === "stopped") void relay.end(this.#phase.exit.status);
  }

  /** Lets engines see the container's files at its pid, as they would otherwise change the host's. @throws {RuntimeError} */
  async show(root: RelayRoot): Promise<void> {
    await this.#relay?.enter(root);
  }

  /** @throws {RuntimeError} FailedPrecondition: it was started before. */
  starting(): void {
    if (this.#phase.is !== "created") {
      throw new RuntimeError(
        Code.FailedPrecondition,
        `Cannot start process "${this.name}": it is ${this.#phase.is}, not created`,
      );
    }
    this.#phase = { is: "starting" };
  }

  /** The agent has started it. @returns False when it was given up before, as with its VM. */
  started(): boolean {
    if (this.#phase.is !== "starting") return false;
    this.#phase = { is: "running" };
    this.#ran = true;
    this.io.begin();
    this.#pump?.start();
    this.#begun = true;
    return true;
  }

  /**
   * Records the end. Only the first call counts: a process ends once. It is told when nothing has the pid any more, as
   * an engine may look.
   * @param after What is to be told before.
   */
  ended(status: number, after?: Promise<unknown>): boolean {
    if (this.#phase.is === "stopped") return false;
    const exit = { status, at: Date.now() };
    this.#phase = { is: "stopped", exit };
    void Promise.all([this.#relay?.end(status), after]).then(() => this.#exited.resolve(exit));
    void this.#drain();
    return true;
  }

  get name(): string {
    return this.key.execId || this.key.containerId;
  }

  /** Ends all carrying of bytes at once, and what the host runs for them. */
  async close(): Promise<void> {
    this.#endStreams();
    await this.io.close();
  }

  #endStreams(): void {
    this.#pump?.stop();
    this.io.closeStreams();
    this.#closed.resolve();
  }

  async #drain(): Promise<void> {
    if (!this.#begun) return this.#endStreams();
    const timer = setTimeout(() => this.#endStreams(), DRAIN_MS);
    await this.#pump?.outputsEnded;
    clearTimeout(timer);
    this.#endStreams();
  }
}

/** A claim of the guest's, made fit for the host: 0-255. */
export function checkStatus(status: number): number {
  return Number.isInteger(status) && status >= 0 && status <= 255 ? status : UNKNOWN_STATUS;
}

/** Asks the agent how the process ended; resolves with unknown when the agent cannot tell. */
export async function waitInGuest(
  link: AgentLink,
  key: ProcessKey,
): Promise<number> {
  const { status } = await link.agent.waitProcess(agentKey(key), {
    timeoutMs: undefined,
  });
  return checkStatus(status);
}

/** The agent names a container's init by the container's own id. */
export function agentKey(key: ProcessKey): ProcessKey {
  return {
    containerId: key.containerId,
    execId: key.execId || key.containerId,
  };
}
