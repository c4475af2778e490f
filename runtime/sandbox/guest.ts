import { Code, RuntimeError } from "../../common/base/errors.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import { FORWARD_FEATURE } from "../../common/protocol/transport/forward.ts";
import { NAMES_FEATURE } from "../../common/protocol/transport/names.ts";
import {
  type AgentLink,
  connectAgent,
  PROCESS_LIST_FEATURE,
  STREAMS_FEATURE,
} from "../agent_client/agent_link.ts";
import { setGuestClock } from "../agent_client/guest_clock.ts";
import { guestBootSteps } from "../agent_client/guest_boot.ts";
import type { RuntimeConfig } from "../config/load.ts";
import { renewClone } from "../factory/renew.ts";
import type { StartedVm } from "../factory/start_vm.ts";
import type { Vm } from "../hypervisor/hypervisor.ts";
import type { ShareFs } from "../share_fs/share_fs.ts";
import { nameServers } from "./name_servers.ts";
import type { SandboxOptions } from "./sandbox.ts";
import type { SandboxNetwork } from "../network/sandbox_network.ts";

/** The guest of a sandbox, once its agent has answered. */
export interface Guest {
  readonly link: AgentLink;
  /** Stdio goes over connections of its own. */
  readonly streams: boolean;
  /** The agent lists the processes that it did not start itself. */
  readonly processList: boolean;
  /** The guest applies seccomp profiles. */
  readonly seccomp: boolean;
}

/** Longest time for VM and agent to come up, in milliseconds. */
function bootTimeoutMs(config: RuntimeConfig): number {
  return config.agent.dialTimeout * 1000;
}

/** A signal that aborts when the VM ends. */
export function endOf(vm: Vm): AbortSignal {
  const controller = new AbortController();
  vm.exited.then(({ reason }) =>
    controller.abort(new RuntimeError(Code.Unavailable, `The VM ended: ${reason}`))
  );
  return controller.signal;
}

/** Waits for the agent. A clone's that never answers speaks against its template. */
async function reachAgent(
  { vm, link, cloned, blameTemplate }: StartedVm,
  { identity, config, timeline }: SandboxOptions,
  signal: AbortSignal,
): Promise<AgentLink> {
  if (link) return link;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(bootTimeoutMs(config))]);
  const step = cloned
    ? "clone goes on until the agent answers"
    : "guest boots until the agent answers";
  try {
    return await timeline.step(step, () => connectAgent(vm.address, limited));
  } catch (error) {
    if (!signal.aborted) await blameTemplate?.();
    const message = `Cannot reach the agent of sandbox "${identity.id}"`;
    const cause = signal.aborted ? signal.reason : error;
    throw new RuntimeError(Code.Unavailable, message, { cause });
  }
}

/** Waits for the agent and makes it set up the sandbox. */
export async function bringUp(
  started: StartedVm,
  share: ShareFs,
  network: SandboxNetwork,
  options: SandboxOptions,
  signal: AbortSignal,
): Promise<Guest> {
  const { vm, cloned } = started, { identity, config, hostname, bundle, timeline } = options;
  const startedMs = monotonicMs();
  const link = await reachAgent(started, options, signal);
  try {
    if (cloned) {
      await timeline.step("agent renews the clone", () => renewClone(link.agent, signal));
    }
    let toldMs = startedMs;
    const [details] = await timeline.step(
      "agent sets up the sandbox",
      () =>
        nameServers(bundle).then((dns) =>
          Promise.all([
            link.agent.getGuestDetails({}, { signal }).finally(() => toldMs = monotonicMs()),
            link.agent.createSandbox({
              hostname,
              sandboxId: identity.id,
              storages: [...share.storages],
              dns,
              guestHookPath: config.hypervisor.guestHookPath,
            }, {
              signal,
            }),
            cloned || setGuestClock(link.agent, signal),
            timeline.step(
              "agent sets up the network",
              () => network.configure({ agent: link.agent, vm }, signal),
            ),
          ])
        ),
    );
    const features = details.agentDetails;
    for (const step of guestBootSteps(features?.extraFeatures ?? [], toldMs, startedMs)) {
      timeline.add(step.name, step.startMs, step.endMs);
    }
    if (features?.extraFeatures.includes(FORWARD_FEATURE)) void network.forwardPorts(link);
    if (features?.extraFeatures.includes(NAMES_FEATURE)) void network.relayNames(link);
    void network.follow({ agent: link.agent, vm });
    return {
      link,
      streams: features?.extraFeatures.includes(STREAMS_FEATURE) ?? false,
      processList: features?.extraFeatures.includes(PROCESS_LIST_FEATURE) ?? false,
      seccomp: (features?.supportsSeccomp ?? false) && !config.runtime.disableGuestSeccomp,
    };
  } catch (error) {
    link[Symbol.dispose]();
    throw error;
  }
}
