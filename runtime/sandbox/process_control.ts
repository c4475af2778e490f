import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { withDeadline } from "../../common/base/deadline.ts";
import { log } from "../../common/base/log.ts";
import { SIGNALS } from "../../common/linux/process.ts";
import type { StatsContainerResponse } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { Process as OciProcess } from "../../common/protocol/gen/kata/oci_pb.ts";
import type { Container } from "./container.ts";
import { agentKey, type Process, UNKNOWN_STATUS, waitInGuest } from "./process.ts";
import { Relay } from "./relay.ts";
import type { Guest, Sandbox } from "./sandbox.ts";
import { openPump } from "./stdio_pump.ts";
import { followTerminal } from "./terminal_size.ts";

/** Longest time for an exec to be made in the guest, in milliseconds. */
const EXEC_TIMEOUT_MS = 60_000;

/** A guest that does not answer a SIGKILL for this long is beyond hope, in milliseconds. */
const KILL_TIMEOUT_MS = 10_000;

/** Longest time in which execs are to be heard of after their container's end, in milliseconds. */
const EXEC_END_MS = 3_000;

/** Longest wait for figures, in milliseconds: engines ask often, and late ones are of no use. */
const STATS_TIMEOUT_MS = 10_000;

/** Longest time for the guest to take up interfaces that came since the container was created, in milliseconds. */
const NETWORK_TIMEOUT_MS = 60_000;

/** 128 + SIGKILL: how the kernel ends what is left of a container. */
export const KILLED_STATUS = 137;

/** Starts the process on the host that stands for this one. @throws {RuntimeError} */
export function startRelay(sandbox: Sandbox, process: Process): void {
  const netnsPath = sandbox.network.namespacePath;
  const onSignal = (signal: number): void => {
    passOn(sandbox, process, signal).catch((error) =>
      log.warn("Cannot pass a signal on", { process: process.name, reason: messageOf(error) })
    );
  };
  const shows = process.key.execId === "";
  process.accompany(
    process.io.companion?.(onSignal) ??
      Relay.start({ name: process.name, netnsPath, shows, onSignal }),
  );
}

/** A terminal's new size is set in the guest, whose kernel then signals; before the start it is not needed. */
async function passOn(sandbox: Sandbox, process: Process, signal: number): Promise<void> {
  const resized = signal === SIGNALS.SIGWINCH && process.io.terminalSize !== undefined;
  if (!resized) return await signalProcess(sandbox, process, signal);
  if (process.phase.is === "running") await followTerminal(sandbox, process);
}

/** The status with which a process ended in the guest, or unknown when nobody can tell. */
async function statusInGuest(guest: Guest, process: Process): Promise<number> {
  try {
    return await waitInGuest(guest.link, process.key);
  } catch (error) {
    const reason = messageOf(error);
    log.error("Cannot learn how a process ended", { process: process.name, reason });
    return UNKNOWN_STATUS;
  }
}

/**
 * Ends the execs of a container whose init has ended. They die with its PID namespace, or are killed where
 * the pod shares one; engines expect their exits before the init's.
 */
async function endExecs(sandbox: Sandbox, guest: Guest, container: Container): Promise<void> {
  const active = container.execs.filter((exec) => exec.active);
  if (active.length === 0) return;
  const killed = sandbox.ended !== undefined ? Promise.resolve({}) : guest.link.agent.signalProcess(
    { containerId: container.id, execId: "", signal: SIGNALS.SIGKILL },
    { timeoutMs: EXEC_END_MS },
  );
  const exits = active.map((exec) => exec.exited);
  try {
    await withDeadline(Promise.all([killed, ...exits]), EXEC_END_MS, "The end of the execs");
  } catch (error) {
    const reason = messageOf(error);
    log.warn("Execs outlived their container", { container: container.id, reason });
  }
  for (const exec of active) exec.ended(KILLED_STATUS);
}

async function followInit(sandbox: Sandbox, guest: Guest, container: Container): Promise<void> {
  const status = await statusInGuest(guest, container.init);
  await endExecs(sandbox, guest, container);
  container.init.ended(status, container.execsTold());
}

async function followExec(guest: Guest, exec: Process): Promise<void> {
  exec.ended(await statusInGuest(guest, exec));
}

/**
 * Starts a container's init.
 * @param started Called before the process can be seen to end.
 * @throws {RuntimeError} FailedPrecondition: it was started before. Or the agent's error; it has ended then.
 */
export async function startInit(
  sandbox: Sandbox,
  container: Container,
  started: () => void,
): Promise<void> {
  const { init } = container;
  init.starting();
  const guest = await sandbox.guest;
  try {
    await followTerminal(sandbox, init);
    await sandbox.refreshNetwork(guest, AbortSignal.timeout(NETWORK_TIMEOUT_MS));
    await sandbox.timeline.step(
      "agent starts the container",
      () => guest.link.agent.startContainer({ containerId: container.id }),
    );
  } catch (error) {
    init.ended(UNKNOWN_STATUS);
    throw error;
  }
  if (init.started()) started();
  void followInit(sandbox, guest, container);
  await runPoststart(sandbox, container);
}

/** A container whose poststart hook fails does not live on. Source: runc, which does the same. */
async function runPoststart(sandbox: Sandbox, { hooks, init }: Container): Promise<void> {
  try {
    await hooks.started(init.pid);
  } catch (error) {
    await signalProcess(sandbox, init, SIGNALS.SIGKILL).catch((cause) => {
      if (init.active) throw cause; // otherwise it has ended by itself
    });
    await init.exited;
    throw error;
  }
}

/**
 * Creates and starts an exec, which the agent does in one step. See {@linkcode startInit}.
 * @throws {RuntimeError} Also FailedPrecondition: the container does not run.
 */
export async function startExec(
  sandbox: Sandbox,
  container: Container,
  exec: Process,
  spec: OciProcess,
  started: () => void,
): Promise<void> {
  const { is } = container.init.phase;
  if (is !== "running") {
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot start exec "${exec.name}": container "${container.id}" is ${is}`,
    );
  }
  exec.starting();
  try {
    startRelay(sandbox, exec);
    const guest = await sandbox.guest;
    const signal = AbortSignal.timeout(EXEC_TIMEOUT_MS);
    const pump = await openPump(guest.link, guest.streams, exec.key, exec.io, signal);
    try {
      await guest.link.agent.execProcess({ ...exec.key, process: spec, ...pump.ports }, { signal });
    } catch (error) {
      pump.stop();
      throw error;
    }
    exec.attach(pump);
    if (exec.started()) started();
    void followExec(guest, exec);
  } catch (error) {
    exec.ended(UNKNOWN_STATUS);
    throw error;
  }
}

/**
 * Signals one process of the guest; SIGKILL to an init reaches every process of its container. A guest that does not
 * even take a SIGKILL is ended with its VM, so that no container outlives its deletion.
 * @throws {RuntimeError} NotFound: it has ended.
 */
export async function signalProcess(
  sandbox: Sandbox,
  process: Process,
  signal: number,
): Promise<void> {
  if (process.phase.is === "stopped" || sandbox.ended !== undefined) throw finished(process);
  const { containerId, execId } = agentKey(process.key);
  const whole = signal === SIGNALS.SIGKILL && process.key.execId === "";
  const { link } = await sandbox.guest;
  const request = { containerId, execId: whole ? "" : execId, signal };
  try {
    await link.agent.signalProcess(request, { timeoutMs: KILL_TIMEOUT_MS });
  } catch (error) {
    if (sandbox.ended !== undefined) return; // it has ended with its VM
    if (error instanceof RuntimeError && error.code === Code.NotFound) throw finished(process);
    const silent = error instanceof RuntimeError && error.code === Code.DeadlineExceeded;
    if (!silent || signal !== SIGNALS.SIGKILL) throw error;
    await sandbox.giveUp("the agent does not answer");
  }
}

/** What a container uses. @throws {RuntimeError} NotFound: the guest is gone, and what it counted with it. */
export async function statsInGuest(
  sandbox: Sandbox,
  { id }: Container,
): Promise<StatsContainerResponse> {
  if (sandbox.ended !== undefined) {
    throw new RuntimeError(
      Code.NotFound,
      `Cannot tell what container "${id}" uses: ${sandbox.ended}`,
    );
  }
  const { link } = await sandbox.guest;
  return await link.agent.statsContainer({ containerId: id }, { timeoutMs: STATS_TIMEOUT_MS });
}

/** Clients look for these words. Source: containerd's runc shim, checkKillError. */
function finished(process: Process): RuntimeError {
  return new RuntimeError(
    Code.NotFound,
    `Cannot signal "${process.name}": process already finished`,
  );
}
