import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import type {
  CreateTaskRequest,
  ExecProcessRequest,
} from "../../common/protocol/gen/containerd/task_pb.ts";
import type { RuntimeConfig } from "../config/load.ts";
import type { Timeline } from "../metrics/timeline.ts";
import type { BundleConfig } from "../sandbox/bundle.ts";
import type { Container } from "../sandbox/container.ts";
import { ContainerHooks } from "../sandbox/hooks.ts";
import { checkId } from "../sandbox/identity.ts";
import * as lifecycle from "../sandbox/lifecycle.ts";
import { podRole } from "../sandbox/pod.ts";
import { Process } from "../sandbox/process.ts";
import { KILLED_STATUS, startExec, startInit } from "../sandbox/process_control.ts";
import type { ProcessIo } from "../sandbox/process_io.ts";
import type { ProcessKey } from "../sandbox/stdio_pump.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { SpareVm } from "../sandbox/spare_vm.ts";
import type { Exit } from "../sandbox/state_file.ts";
import { saveTimeline } from "../sandbox/timeline_file.ts";
import { decodeExecSpec, withTerminalSize } from "./exec_spec.ts";
import type { SavedExit } from "./exit_file.ts";
import { checkHostAccess } from "./host_access.ts";
import { startSandbox } from "./start_sandbox.ts";
import type { StreamUris } from "./stdio/open.ts";
import type { TaskWatcher } from "./task_events.ts";

/** What the host of a sandbox's tasks is made with. */
export interface TaskHostOptions {
  readonly namespace: string;
  /** The engine's socket, part of the sandbox's identity. */
  readonly address: string;
  readonly events: TaskWatcher;
  readonly timeline: Timeline;
  /** Loads the configuration that the engine's options name, if any. */
  readonly loadConfig: (request: CreateTaskRequest) => RuntimeConfig;
  /** Reads what a container's bundle asks for. */
  readonly readBundle: (bundle: string, id: string) => Promise<BundleConfig>;
  /** Opens the host's ends of a process's streams. */
  readonly openIo: (uris: StreamUris, key: ProcessKey) => Promise<ProcessIo>;
  /** Keeps how an init ended, for whoever cleans up after this program. */
  readonly saveExit: (bundle: string, saved: SavedExit) => void;
  /** The VM that this process has kept ready for a sandbox. */
  readonly spare?: SpareVm | undefined;
  /** Called when the engine wants the shim to end and nothing is left in it. */
  readonly shutdown: () => void;
}

/** What a request brought along that is needed later. */
interface ProcessExtras {
  readonly streams: StreamUris;
  /** Only execs: what to run. */
  readonly exec?: ExecProcessRequest;
}

const NO_STREAMS: StreamUris = { stdin: "", stdout: "", stderr: "", terminal: false };

/** The tasks of this shim: at most one sandbox, its containers and their processes. */
export class TaskHost {
  readonly #options: TaskHostOptions;
  readonly #extras = new WeakMap<Process, ProcessExtras>();
  readonly #creating = new Set<string>();
  readonly #deletions = new WeakMap<Container, Promise<void>>();
  #sandbox: Sandbox | undefined;

  constructor(options: TaskHostOptions) {
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#sandbox?.has(id) ?? false;
  }

  /** @throws {RuntimeError} NotFound. */
  container(id: string): Container {
    if (this.#sandbox) return this.#sandbox.container(id);
    throw new RuntimeError(Code.NotFound, `Cannot find container "${id}"`);
  }

  /** @throws {RuntimeError} FailedPrecondition: there is none yet. */
  get sandbox(): Sandbox {
    if (this.#sandbox) return this.#sandbox;
    throw new RuntimeError(
      Code.FailedPrecondition,
      "Cannot reach the sandbox: it was not created",
    );
  }

  streamsOf(process: Process): StreamUris {
    return this.#extras.get(process)?.streams ?? NO_STREAMS;
  }

  /** @returns The pid. @throws {RuntimeError} AlreadyExists; everything is undone then. */
  async create(request: CreateTaskRequest, signal: AbortSignal): Promise<number> {
    const { id } = request;
    this.#checkCreate(request);
    this.#creating.add(id);
    try {
      const container = await this.#create(request, signal);
      const { init } = container;
      this.#options.events.created(request, init.pid);
      this.#watchInit(container);
      return init.pid;
    } finally {
      this.#creating.delete(id);
    }
  }

  /** @returns The pid. @throws {RuntimeError} FailedPrecondition; or why the process cannot run: it has ended then. */
  async start(id: string, execId: string): Promise<number> {
    const { sandbox } = this, { events } = this.#options;
    const container = this.container(id), process = container.process(execId);
    const started = (): void => events.started(process.key, process.pid);
    const exec = this.#extras.get(process)?.exec;
    if (exec) {
      const spec = withTerminalSize(
        decodeExecSpec(exec),
        process.terminalSize ?? process.io.terminalSize?.(),
      );
      await startExec(sandbox, container, process, spec, started);
    } else {
      await startInit(sandbox, container, started);
      await saveTimeline(sandbox.identity.key, sandbox.timeline.steps);
      await sandbox.startedContainer();
    }
    return process.pid;
  }

  /** Notes an exec, to be started later. @throws {RuntimeError} AlreadyExists, InvalidArgument. */
  async exec(request: ExecProcessRequest): Promise<void> {
    const { id, execId, terminal } = request;
    checkId(execId, "exec");
    const container = this.container(id);
    decodeExecSpec(request); // a fault is the caller's, and known now
    using reserved = container.reserveExec(execId);
    const io = await this.#options.openIo(request, { containerId: id, execId });
    const process = new Process({ containerId: id, execId }, io, terminal);
    reserved.fill(process);
    this.#extras.set(process, { streams: request, exec: request });
    this.#options.events.execAdded(process.key);
    process.exited.then((exit) => {
      if (process.ran) this.#options.events.exited(process.key, process.pid, exit);
    });
  }

  /** @throws {RuntimeError} FailedPrecondition while it runs; NotFound. */
  async delete(id: string, execId: string): Promise<{ pid: number; exit: Exit }> {
    const container = this.container(id), process = container.process(execId);
    if (process.active) {
      throw new RuntimeError(
        Code.FailedPrecondition,
        `Cannot delete process "${process.name}": it is running`,
      );
    }
    // Counts only if it was never started: an exec that never was anything has status 0, as with runc's shim.
    process.ended(process === container.init ? KILLED_STATUS : 0);
    const exit = await process.exited, { pid } = process;
    await process.drained;
    if (process === container.init) {
      await this.#deleteOnce(container, () => this.#options.events.deleted(id, pid, exit));
    } else {
      container.removeExec(execId);
      await process.close();
    }
    return { pid, exit };
  }

  /** Ends the shim when no container is left; otherwise does nothing. */
  async shutdown(): Promise<void> {
    if (this.#creating.size > 0 || (this.#sandbox?.containers.length ?? 0) > 0) return;
    await this.#stopSandbox();
    this.#options.shutdown();
  }

  #checkCreate({ id, checkpoint }: CreateTaskRequest): void {
    checkId(id);
    if (this.has(id) || this.#creating.has(id)) {
      throw new RuntimeError(Code.AlreadyExists, `Cannot create container "${id}": it exists`);
    }
    if (checkpoint !== "") {
      throw new RuntimeError(
        Code.Unimplemented,
        `Cannot restore container "${id}" from a checkpoint into a VM`,
      );
    }
  }

  async #create(request: CreateTaskRequest, signal: AbortSignal): Promise<Container> {
    const { id, bundle, rootfs } = request;
    await using undo = new AsyncDisposableStack();
    const config = await this.#options.readBundle(bundle, id);
    const role = podRole(id, config.annotations);
    checkHostAccess(id, role, config.json);
    const hooks = ContainerHooks.parse(config, id, bundle);
    const io = await this.#options.openIo(request, { containerId: id, execId: "" });
    undo.defer(() => io.close());
    if (io.pid !== undefined) {
      // What these hooks make, such as network interfaces, is there before the VM is: it need not be plugged in.
      undo.defer(() => hooks.stopped());
      await hooks.creating(io.pid, signal);
    }
    if (role.kind !== "member") {
      this.#checkSandbox(id);
      this.#sandbox = await startSandbox(this.#options, request, role, config, signal);
      undo.defer(() => this.#stopSandbox());
      this.#sandbox.watchOom((killed) => this.#outOfMemory(killed));
    }
    const creation = { id, bundle, config, role, rootfs, io, hooks };
    const container = await lifecycle.createContainer(this.sandbox, creation, signal);
    this.#extras.set(container.init, { streams: request });
    undo.move();
    return container;
  }

  #checkSandbox(id: string): void {
    if (this.#sandbox === undefined) return;
    throw new RuntimeError(
      Code.AlreadyExists,
      `Cannot start a second sandbox for "${id}" in one shim`,
    );
  }

  #outOfMemory(id: string): void {
    if (!this.has(id)) return; // the guest's word alone names no container
    this.#options.events.outOfMemory(id, this.container(id).bundle);
  }

  async #stopSandbox(): Promise<void> {
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    await sandbox?.[Symbol.asyncDispose]();
  }

  /** An engine that lost patience asks again while the first Delete is still at work: both end with it. */
  async #deleteOnce(container: Container, deleted: () => void): Promise<void> {
    let deletion = this.#deletions.get(container);
    if (deletion === undefined) {
      deletion = this.#deleteContainer(container).then(deleted);
      this.#deletions.set(container, deletion);
    }
    await deletion;
  }

  /** What an unwell guest does not remove ends with its VM; the host's part is done in any case. */
  async #deleteContainer(container: Container): Promise<void> {
    const { sandbox } = this;
    try {
      await lifecycle.removeContainer(sandbox, container);
    } catch (error) {
      const reason = messageOf(error);
      log.warn("The guest did not remove a container", { container: container.id, reason });
    }
    if (sandbox.containers.length === 0) await this.#stopSandbox();
  }

  /** Tells the engine how an init ended, and keeps it for whoever cleans up after this shim. */
  #watchInit(container: Container): void {
    const { init, bundle, id } = container;
    init.exited.then((exit) => {
      this.#options.saveExit(bundle, { pid: init.pid, exit });
      this.#sandbox?.noteExit(id, exit);
      this.#options.events.exited(init.key, init.pid, exit);
    });
  }
}
