import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { MAX_SIGNAL, SIGNALS } from "../../common/linux/process.ts";
import { LinuxResourcesSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import type { Container } from "../sandbox/container.ts";
import { guestResources } from "../sandbox/guest_spec.ts";
import type { Process } from "../sandbox/process.ts";
import { signalProcess } from "../sandbox/process_control.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { messageFromOci } from "../sandbox/spec_message.ts";
import { decodeJsonObject } from "./any.ts";

/** Signals that end no process by default. Source: signal(7). */
const HARMLESS: ReadonlySet<number> = new Set([
  SIGNALS.SIGCHLD,
  SIGNALS.SIGCONT,
  SIGNALS.SIGURG,
  SIGNALS.SIGWINCH,
  SIGNALS.SIGSTOP,
  SIGNALS.SIGTSTP,
  SIGNALS.SIGTTIN,
  SIGNALS.SIGTTOU,
]);

/** What a signal is sent to. */
export interface KillTarget {
  readonly container: Container;
  readonly process: Process;
  /** Every process of the container. */
  readonly all: boolean;
}

/**
 * Signals a process; SIGKILL to init, and `all`, reach every process of the container. Signal 0 only asks.
 * @throws {RuntimeError} NotFound: it has ended. FailedPrecondition: an exec that was not started. InvalidArgument.
 */
export async function killTask(
  sandbox: Sandbox,
  { container, process, all }: KillTarget,
  signal: number,
): Promise<void> {
  if (signal > MAX_SIGNAL) {
    throw new RuntimeError(Code.InvalidArgument, `Cannot send signal ${signal}: there is none`);
  }
  const { is } = process.phase;
  if (is === "stopped") {
    throw new RuntimeError(
      Code.NotFound,
      `Cannot signal "${process.name}": process already finished`,
    );
  }
  if (is === "created" && process !== container.init) {
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot signal exec "${process.name}": process not created: it was not started`,
    );
  }
  if (signal === 0) return;
  if (is === "created") return await killCreated(sandbox, process, signal);
  await signalProcess(sandbox, process, signal);
  if (all && process === container.init) await killExecs(sandbox, container, signal);
}

/** An init that waits to be started handles no signal: what would end it by default, ends it. */
async function killCreated(sandbox: Sandbox, init: Process, signal: number): Promise<void> {
  if (HARMLESS.has(signal)) return;
  await signalProcess(sandbox, init, SIGNALS.SIGKILL);
  init.ended(128 + signal);
}

async function killExecs(sandbox: Sandbox, container: Container, signal: number): Promise<void> {
  const running = container.execs.filter(({ phase }) => phase.is === "running");
  const sent = await Promise.allSettled(
    running.map((exec) => signalProcess(sandbox, exec, signal)),
  );
  for (const [at, result] of sent.entries()) {
    if (result.status === "rejected" && running[at]?.phase.is === "running") throw result.reason;
  }
}

/** Freezes or thaws a container. @throws {RuntimeError} FailedPrecondition: it is not running, or so already. */
export async function setPaused(
  sandbox: Sandbox,
  container: Container,
  paused: boolean,
): Promise<void> {
  const { is } = container.init.phase;
  if (is !== "running" || container.paused === paused) {
    const state = is === "running" && container.paused ? "paused" : is;
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot ${paused ? "pause" : "resume"} container "${container.id}": it is ${state}`,
    );
  }
  const { agent } = (await sandbox.guest).link;
  const request = { containerId: container.id };
  await (paused ? agent.pauseContainer(request) : agent.resumeContainer(request));
  container.paused = paused;
}

/**
 * Changes a container's limits in the guest, and the VM's size with them.
 * @param json The runtime specification's `linux.resources`, as JSON.
 * @throws {RuntimeError} InvalidArgument. FailedPrecondition: it has ended.
 */
export async function updateContainer(
  sandbox: Sandbox,
  container: Container,
  json: Uint8Array | undefined,
): Promise<void> {
  if (container.init.phase.is === "stopped") {
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot update container "${container.id}": it has stopped`,
    );
  }
  const given = decodeJsonObject(json, `the new resources of container "${container.id}"`);
  const resources = messageFromOci(LinuxResourcesSchema, guestResources(given));
  const { agent } = (await sandbox.guest).link;
  try {
    await sandbox.cpuset.change(sandbox.cgroup, container.id, given);
    await sandbox.size.change(sandbox, container.id, given, async () => {
      await agent.updateContainer({ containerId: container.id, resources });
    });
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    const text = `Cannot update container "${container.id}": ${messageOf(cause)}`;
    throw new RuntimeError(cause.code, text);
  }
}
