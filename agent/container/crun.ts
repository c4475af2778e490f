/** The OCI runtime inside the guest: one short-lived process per verb, only where nothing cheaper will do. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { withDeadline } from "../../common/base/deadline.ts";
import { kill } from "../../common/linux/process.ts";
import { exitCodeOf, reaper } from "../../common/linux/reaper.ts";
import { spawn } from "../../common/linux/spawn.ts";
import { crunFailure } from "./crun_error.ts";
import type { AgentPaths } from "./paths.ts";

/** Longest run of any verb; create takes 0.3 s under emulation, hooks longer. */
const VERB_TIMEOUT_MS = 120_000;
const SIGKILL = 9;

/** File descriptors of the agent that become a child's, by the child's number. */
export type ChildFds = Record<number, number>;

export interface CreateRequest {
  readonly bundle: string;
  /** The command, for error texts. */
  readonly program: string;
  readonly fds: ChildFds;
  readonly consoleSocket?: string | undefined;
}

export interface ExecRequest {
  /** The command, for error texts. */
  readonly program: string;
  /** File with the process's JSON. */
  readonly processFile: string;
  /** Prefix of the scratch files of this exec: unique while it runs. */
  readonly scratch: string;
  readonly fds: ChildFds;
  readonly consoleSocket?: string | undefined;
}

export class Crun {
  readonly #paths: AgentPaths;
  #runs = 0;

  constructor(paths: AgentPaths) {
    this.#paths = paths;
  }

  /** Folder in which crun keeps a container's state. */
  stateDir(id: string): string {
    return `${this.#paths.crunRoot}/${id}`;
  }

  /**
   * Makes a container whose init waits to be started.
   * @returns Pid of init, a child of the agent (its sub-reaper) by now.
   * @throws {RuntimeError} With crun's own words.
   */
  async create(id: string, request: CreateRequest): Promise<number> {
    const pidFile = `${request.bundle}/init.pid`;
    const args = ["create", "--bundle", request.bundle, "--pid-file", pidFile];
    if (request.consoleSocket) {
      args.push("--console-socket", request.consoleSocket);
    }
    await this.#run([...args, id], request.fds, request.program);
    return await takePid(pidFile);
  }

  /** Runs one more process in a container. Result and errors as for {@linkcode create}. */
  async exec(id: string, request: ExecRequest): Promise<number> {
    const pidFile = `${request.scratch}.pid`;
    const args = ["exec", "--detach", "--process", request.processFile];
    args.push("--pid-file", pidFile);
    if (request.consoleSocket) {
      args.push("--tty", "--console-socket", request.consoleSocket);
    }
    await this.#run([...args, id], request.fds, request.program);
    return await takePid(pidFile);
  }

  /**
   * Lets init go on. Without hooks to run that is one byte in crun's FIFO (libcrun's status.c,
   * libcrun_status_write_exec_fifo), which saves a process.
   */
  async start(id: string, hooks: boolean): Promise<void> {
    if (!hooks && await this.#releaseInit(`${this.stateDir(id)}/exec.fifo`)) {
      return;
    }
    await this.#run(["start", id], {});
  }

  async #releaseInit(fifo: string): Promise<boolean> {
    try {
      // Opened for both, so that it cannot block however init is doing.
      using file = await Deno.open(fifo, { read: true, write: true });
      await Deno.remove(fifo);
      await file.write(new Uint8Array(1));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  async update(id: string, resourcesFile: string): Promise<void> {
    await this.#run(["update", "--resources", resourcesFile, id], {});
  }

  /** Removes whatever is left of a container; fine when nothing is. Runs its poststop hooks. */
  async delete(id: string): Promise<void> {
    await this.#run(["delete", "--force", id], {});
  }

  async #run(verb: string[], fds: ChildFds, program = ""): Promise<void> {
    const log = `${this.#paths.scratch}/crun-${++this.#runs}.log`;
    const manager = this.#paths.cgroups === undefined ? "disabled" : "cgroupfs";
    const pid = spawn({
      argv: [
        this.#paths.crun,
        `--root=${this.#paths.crunRoot}`,
        `--cgroup-manager=${manager}`,
        `--log=file:${log}`,
        "--log-format=json",
        ...verb,
      ],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      cwd: "/",
      fds,
      newSession: true,
    });
    try {
      const code = await exitOf(pid, verb[0] ?? "");
      if (code !== 0) {
        throw crunFailure(verb[0] ?? "", code, await readLog(log), program);
      }
    } finally {
      await removeIfThere(log);
    }
  }
}

async function exitOf(pid: number, verb: string): Promise<number> {
  const exit = reaper().exit(pid);
  try {
    return exitCodeOf(
      await withDeadline(exit, VERB_TIMEOUT_MS, `crun ${verb}`),
    );
  } catch (error) {
    kill(pid, SIGKILL);
    throw error;
  }
}

async function takePid(path: string): Promise<number> {
  const text = await Deno.readTextFile(path);
  await Deno.remove(path);
  const pid = Number(text.trim());
  if (Number.isInteger(pid) && pid > 1) return pid;
  throw new RuntimeError(
    Code.Internal,
    `crun wrote ${JSON.stringify(text.slice(0, 40))} as a process id`,
  );
}

async function readLog(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    return JSON.stringify({ level: "error", msg: messageOf(error) });
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
