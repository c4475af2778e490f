import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StorageSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import { type AgentLink, STREAMS_FEATURE } from "../agent_client/agent_link.ts";
import { guestTime } from "../agent_client/guest_clock.ts";
import type { Connection } from "../../common/protocol/transport/connection.ts";
import { type StreamPorts, WARM_UP_ID, warmUpContainer } from "./warm_up_container.ts";

/** How long a step may take on a busy host with an emulated guest. */
const STEP_MS = 300_000;
/** Numbers of streams that no sandbox comes to. */
const FIRST_STREAM = 0xf000_0000;

/** The three streams of a process. */
const STREAMS = 3;

type Storage = MessageInitShape<typeof StorageSchema>;

/**
 * Lets the agent do once what every pod's start asks of it, so that code is loaded and compiled, and files are in the
 * guest's page cache. It leaves no trace that a pod could notice.
 * @param shares The VM's own, mounted and unmounted on the way.
 */
export async function warmUp(
  { agent, openStream }: AgentLink,
  signal: AbortSignal,
  shares: readonly Storage[] = [],
): Promise<void> {
  const options = { timeoutMs: STEP_MS, signal };
  const { agentDetails } = await agent.getGuestDetails({}, options);
  await agent.setGuestDateTime(guestTime(), options);
  await agent.reseedRandomDev({ data: crypto.getRandomValues(new Uint8Array(32)) }, options);
  await agent.listInterfaces({}, options);
  await agent.listRoutes({}, options);
  const streams = agentDetails?.extraFeatures.includes(STREAMS_FEATURE)
    ? await openStreams(openStream, signal)
    : [];
  const seccomp = agentDetails?.supportsSeccomp ?? false;
  await agent.createContainer(warmUpContainer(shares, portsOf(streams), seccomp), options);
  await agent.startContainer({ containerId: WARM_UP_ID }, options);
  await Promise.all(streams.map(readAll));
  await agent.waitProcess({ containerId: WARM_UP_ID }, options);
  await agent.removeContainer({ containerId: WARM_UP_ID }, options);
}

/** Streams are numbered alike each time: each is claimed before the next one comes. */
async function openStreams(
  open: AgentLink["openStream"],
  signal: AbortSignal,
): Promise<Connection[]> {
  const numbers = Array.from({ length: STREAMS }, (_, at) => FIRST_STREAM + at);
  return await Promise.all(numbers.map((number) => open(number, signal)));
}

function portsOf({ length }: readonly Connection[]): StreamPorts {
  if (length === 0) return {};
  return { stdinPort: FIRST_STREAM, stdoutPort: FIRST_STREAM + 1, stderrPort: FIRST_STREAM + 2 };
}

/** Until the guest closes it, as it does with all three when the process has ended. */
async function readAll(stream: Connection, at: number): Promise<void> {
  using _end = { [Symbol.dispose]: () => stream.close() };
  if (at === 0) return await stream.closeWrite();
  const buffer = new Uint8Array(4096);
  while (await stream.read(buffer) !== null);
}
