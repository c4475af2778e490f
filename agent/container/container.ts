/** A container in the guest: its processes and its cgroup. State is kept here, so that no question needs crun. */
import { withDeadline } from "../../common/base/deadline.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { removeBundle } from "./bundle.ts";
import type { Cgroup } from "./cgroup.ts";
import type { Crun } from "./crun.ts";
import { Executor } from "./executor.ts";
import { type OciProcess, type OciResources, type OciSpec, stringifyOci } from "./oci_types.ts";
import type { OomEvents, OomWatch } from "./oom.ts";
import type { AgentPaths } from "./paths.ts";
import type { ContainerProcess } from "./process.ts";
import type { StreamPorts } from "./process_io.ts";
import { SIGKILL } from "./signal_rules.ts";
import type { IoTools } from "./process_io.ts";
import { unifiedResources } from "./spec_rules.ts";

export type ContainerState = "created" | "running" | "paused" | "stopped";

/** A killed init ends at once, unless its memory is huge or a device hangs. */
const KILL_TIMEOUT_MS = 30_000;

/** What containers share. */
export interface ContainerTools extends IoTools {
  readonly paths: AgentPaths;
  readonly crun: Crun;
  readonly oom: OomEvents;
}

export class Container {
  readonly #tools: ContainerTools;
  readonly #executor: Executor;
  #phase: "created" | "running" | "paused" = "created";
  #oomWatch: OomWatch | undefined;
  #removed = false;

  constructor(
    readonly id: string,
    readonly bundle: string,
    readonly spec: OciSpec,
    readonly cgroup: Cgroup | undefined,
    readonly init: ContainerProcess,
    tools: ContainerTools,
  ) {
    this.#tools = tools;
    this.#executor = new Executor(id, tools);
  }

  get state(): ContainerState {
    return this.init.running ? this.#phase : "stopped";
  }

  /** Releases init; from here on the host is told of kills for memory. */
  async start(): Promise<void> {
    this.#require("start", "created");
    this.#phase = "running";
    if (this.cgroup) this.#oomWatch = this.#tools.oom.watch(this.id, this.cgroup);
    const hooks = (this.spec.hooks?.poststart?.length ?? 0) > 0;
    await this.#tools.crun.start(this.id, hooks);
  }

  /** Tells of a kill for memory that was not told yet; called before the exit of any process is told. */
  checkOom(): void {
    this.#oomWatch?.check();
  }

  /** Runs one more process. @throws {RuntimeError} AlreadyExists, FailedPrecondition, or crun's own. */
  async exec(execId: string, process: OciProcess, ports: StreamPorts): Promise<void> {
    this.#require("exec in", "created", "running");
    await this.#executor.run(execId, process, ports, () => this.checkOom());
  }

  /** Init for "" or the container's own id, otherwise the exec. @throws {RuntimeError} NotFound. */
  process(execId: string): ContainerProcess {
    return this.#isInit(execId) ? this.init : this.#executor.process(execId);
  }

  /**
   * Exit code of a process, once its output was passed on. An exec is forgotten when this was told.
   * @param signal Whoever asked has left: then nobody was told.
   */
  async wait(execId: string, signal: AbortSignal): Promise<number> {
    const code = await this.process(execId).finished;
    signal.throwIfAborted();
    if (!this.#isInit(execId)) this.#executor.told(execId);
    return code;
  }

  /** SIGKILL without an exec id reaches every process of the container. */
  async signal(execId: string, signal: number): Promise<void> {
    const process = this.process(execId);
    if (execId === "" && signal === SIGKILL) await this.#killAll();
    else process.signal(signal);
  }

  /** Pids, as the guest sees them, of processes that the container's own ones have started. */
  async descendants(): Promise<number[]> {
    const started = new Set([this.init.pid, ...this.#executor.pids]);
    const all = await this.cgroup?.processes() ?? [];
    return all.filter((pid) => !started.has(pid));
  }

  async #killAll(): Promise<void> {
    await ignoreGone(this.cgroup?.kill());
    this.init.signal(SIGKILL);
  }

  async pause(): Promise<void> {
    this.#require("pause", "running");
    await this.#requireCgroup().freeze(true);
    this.#phase = "paused";
  }

  async resume(): Promise<void> {
    this.#require("resume", "paused");
    await this.#requireCgroup().freeze(false);
    this.#phase = "running";
  }

  /** Changes limits. Those that are not named stay. */
  async update(resources: OciResources): Promise<void> {
    if (this.state === "stopped") throw this.#wrongState("update");
    const file = `${this.bundle}/resources.json`;
    await Deno.writeTextFile(file, stringifyOci(unifiedResources(resources)));
    await this.#tools.crun.update(this.id, file);
  }

  /**
   * Kills what is left, runs poststop hooks, and removes every trace. Again does nothing.
   * @throws {RuntimeError} DeadlineExceeded when processes do not die.
   */
  async remove(timeoutMs = KILL_TIMEOUT_MS): Promise<void> {
    if (this.#removed) return;
    await this.#killAll();
    await withDeadline(this.init.exited, timeoutMs, `The end of container "${this.id}"`);
    this.#oomWatch?.[Symbol.dispose]();
    await this.#removeState();
    this.#executor.close();
    this.init.io.close();
    await removeBundle(this.bundle);
    this.#removed = true;
  }

  /** What `crun delete` would do, without its process where there are no hooks. */
  async #removeState(): Promise<void> {
    const { crun } = this.#tools;
    if (this.spec.hooks?.poststop?.length) await crun.delete(this.id);
    await this.cgroup?.remove();
    await ignoreGone(Deno.remove(crun.stateDir(this.id), { recursive: true }));
  }

  #isInit(execId: string): boolean {
    return execId === "" || execId === this.id;
  }

  #require(verb: string, ...states: ContainerState[]): void {
    if (!states.includes(this.state)) throw this.#wrongState(verb);
  }

  #wrongState(verb: string): RuntimeError {
    return new RuntimeError(
      Code.FailedPrecondition,
      `cannot ${verb} container "${this.id}": it is ${this.state}`,
    );
  }

  #requireCgroup(): Cgroup {
    if (this.cgroup) return this.cgroup;
    throw new RuntimeError(Code.FailedPrecondition, "Cgroups are not managed here");
  }
}

async function ignoreGone(done: Promise<void> | undefined): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
