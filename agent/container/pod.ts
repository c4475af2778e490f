/** All containers of this guest. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { O, open } from "../../common/linux/fd.ts";
import { OwnedFd } from "../../common/linux/owned_fd.ts";
import { containerOfPidNamespace } from "../../common/protocol/pid_namespace.ts";
import { bundlePath, removeBundle, writeBundle } from "./bundle.ts";
import { Cgroup } from "./cgroup.ts";
import { Container, type ContainerTools } from "./container.ts";
import { Crun } from "./crun.ts";
import { checkId } from "./ids.ts";
import type { OciSpec } from "./oci_types.ts";
import { OomEvents } from "./oom.ts";
import { type AgentPaths, cgroupPath } from "./paths.ts";
import { PodNamespaceFiles } from "./pod_namespaces.ts";
import { ContainerProcess } from "./process.ts";
import { openIo, type ProcessIo, type StreamPorts } from "./process_io.ts";
import { scratchPrefix } from "./scratch.ts";
import { guestSpec } from "./spec_rules.ts";
import { StreamTable } from "./stream_table.ts";
import { applySysctls } from "./sysctl.ts";

export interface CreateContainer {
  readonly id: string;
  readonly spec: OciSpec;
  readonly ports: StreamPorts;
  /** Join the PID namespace of the pod, or become it. */
  readonly sharePid: boolean;
}

export class Pod {
  readonly oom = new OomEvents();
  readonly streams = new StreamTable();
  readonly #tools: ContainerTools;
  readonly #namespaces: PodNamespaceFiles;
  /** `undefined` while crun makes the container. */
  readonly #containers = new Map<string, Container | undefined>();
  #hostname = "";

  /** @param pipeBytes See {@linkcode IoTools}. */
  constructor(readonly paths: AgentPaths, pipeBytes = 0) {
    this.#tools = {
      paths,
      pipeBytes,
      crun: new Crun(paths),
      streams: this.streams,
      oom: this.oom,
    };
    this.#namespaces = new PodNamespaceFiles(paths.namespaces);
  }

  /** Host name that the pod's UTS namespace will have. */
  set hostname(name: string) {
    this.#hostname = name;
  }

  /** @throws {RuntimeError} NotFound. */
  container(id: string): Container {
    const container = this.#containers.get(id);
    if (container) return container;
    throw new RuntimeError(Code.NotFound, `No container ${JSON.stringify(id)} in this sandbox`);
  }

  get containers(): Container[] {
    return [...this.#containers.values()].filter((container) => container !== undefined);
  }

  /** Makes a container whose init waits for {@linkcode Container.start}; leaves nothing behind when that fails. */
  async create(request: CreateContainer): Promise<void> {
    const { id } = request;
    if (this.#containers.has(checkId(id, "container"))) {
      throw new RuntimeError(
        Code.AlreadyExists,
        `Container "${id}" already exists in this sandbox`,
      );
    }
    this.#containers.set(id, undefined);
    try {
      this.#containers.set(id, await this.#make(request));
    } catch (error) {
      this.#containers.delete(id);
      throw error;
    }
  }

  async #make(request: CreateContainer): Promise<Container> {
    await using undo = new AsyncDisposableStack();
    const scratch = await scratchPrefix(this.paths);
    const terminal = request.spec.process?.terminal ?? false;
    const io = undo.use(await openIo(terminal, request.ports, this.#tools, scratch));
    undo.defer(() => removeBundle(bundlePath(this.paths, request.id)));
    undo.defer(() => this.#deleteQuietly(request.id));
    const made = await this.#createInit(request, io);
    await io.started();
    undo.move();
    return this.#adopt(request, made.pid, made.spec, io);
  }

  async #createInit(
    { id, spec, sharePid }: CreateContainer,
    io: ProcessIo,
  ): Promise<{ pid: number; spec: OciSpec }> {
    let made: { pid: number; spec: OciSpec } | undefined;
    using target = this.#openPidNamespace(spec);
    const joined = target && { pid: `/proc/${Deno.pid}/fd/${target.fd}` };
    await this.#namespaces.use(sharePid, async (pod) => {
      const namespaces = { ...pod, ...joined };
      const context = { containerId: id, hostname: this.#hostname, namespaces };
      const guest = guestSpec(spec, context);
      await applySysctls(guest.guestSysctls);
      const bundle = await writeBundle(this.paths, id, guest.spec);
      const { fds, consoleSocket } = io;
      const program = spec.process?.args[0] ?? "";
      const pid = await this.#tools.crun.create(id, { bundle, program, fds, consoleSocket });
      made = { pid, spec: guest.spec };
      return pid;
    });
    if (made) return made;
    throw new Error("unreachable: the namespaces were used without calling create");
  }

  /** The PID namespace of the container that is named as the one to join. @throws {RuntimeError} It does not run. */
  #openPidNamespace({ linux }: OciSpec): OwnedFd | undefined {
    const path = linux.namespaces.find(({ type }) => type === "pid")?.path;
    const target = containerOfPidNamespace(path);
    if (target === undefined) return undefined;
    const { init } = this.container(target);
    if (init.running) return new OwnedFd(open(`/proc/${init.pid}/ns/pid`, O.RDONLY));
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot join the PID namespace of container "${target}": it has ended`,
    );
  }

  #adopt(request: CreateContainer, pid: number, spec: OciSpec, io: ProcessIo): Container {
    const { id } = request;
    const bundle = bundlePath(this.paths, id);
    const ownsPid = request.sharePid &&
      spec.linux.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
    const init = new ContainerProcess(pid, io, () => {
      container.checkOom();
      if (ownsPid) this.#namespaces.dropPid();
    });
    const { cgroups } = this.paths;
    const cgroup = cgroups === undefined ? undefined : new Cgroup(cgroups + cgroupPath(id));
    const container = new Container(id, bundle, spec, cgroup, init, this.#tools);
    return container;
  }

  /** After a failed creation: the first failure is the one to tell. */
  async #deleteQuietly(id: string): Promise<void> {
    try {
      await this.#tools.crun.delete(id);
    } catch (error) {
      log.warn("cannot clean up after a failed creation", { id, error: messageOf(error) });
    }
  }

  /** Removes a container. @throws {RuntimeError} NotFound, DeadlineExceeded. */
  async remove(id: string, timeoutMs?: number): Promise<void> {
    await this.container(id).remove(timeoutMs);
    this.#containers.delete(id);
    if (this.#containers.size === 0) this.#namespaces.close(); // nobody is left whose they could be
  }

  /** Removes everything, as far as it goes. */
  async close(): Promise<void> {
    const ids = this.containers.map(({ id }) => id);
    const results = await Promise.allSettled(ids.map((id) => this.remove(id)));
    for (const result of results) {
      if (result.status === "rejected") {
        log.error("cannot remove a container", { error: messageOf(result.reason) });
      }
    }
    this.streams.close();
    this.#namespaces.close();
  }
}
