import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { ContainerHooks } from "./hooks.ts";
import type { Process } from "./process.ts";

/** An id that was taken for an exec whose streams are still being opened. */
export interface ExecReservation extends Disposable {
  fill(exec: Process): void;
}

/** A container of a sandbox: its init and its execs. */
export class Container {
  readonly #execs = new Map<string, Process>();
  readonly #reserved = new Set<string>();
  /** Frozen by Pause. */
  paused = false;

  constructor(
    readonly id: string,
    readonly bundle: string,
    readonly init: Process,
    /** Whether the shim mounted the root file system, at `<bundle>/rootfs`. */
    readonly rootfsMounted: boolean,
    readonly hooks: ContainerHooks,
  ) {}

  /**
   * @param execId Empty for the container's init.
   * @throws {RuntimeError} NotFound.
   */
  process(execId: string): Process {
    if (execId === "") return this.init;
    const exec = this.#execs.get(execId);
    if (exec) return exec;
    throw new RuntimeError(Code.NotFound, `Cannot find exec "${execId}" in container "${this.id}"`);
  }

  /**
   * Takes an exec's id, until the exec fills it; disposed of before, the id is free again.
   * @throws {RuntimeError} AlreadyExists.
   */
  reserveExec(execId: string): ExecReservation {
    if (this.#execs.has(execId) || this.#reserved.has(execId)) {
      throw new RuntimeError(
        Code.AlreadyExists,
        `Cannot add exec "${execId}" to container "${this.id}": the id is in use`,
      );
    }
    this.#reserved.add(execId);
    return {
      fill: (exec) => this.#execs.set(execId, exec),
      [Symbol.dispose]: () => this.#reserved.delete(execId),
    };
  }

  removeExec(execId: string): void {
    this.#execs.delete(execId);
  }

  get execs(): readonly Process[] {
    return [...this.#execs.values()];
  }

  /** Resolves when the ends of those execs that have ended by now are told: before the init's. */
  async execsTold(): Promise<void> {
    const ended = this.execs.filter(({ phase }) => phase.is === "stopped");
    await Promise.all(ended.map(({ exited }) => exited));
  }

  /** Its execs, then its init: the order in which they end. */
  get processes(): readonly Process[] {
    return [...this.execs, this.init];
  }
}
