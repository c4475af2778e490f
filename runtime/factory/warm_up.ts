import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CreateContainerRequestSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";
import { guestTime } from "../agent_client/guest_clock.ts";

const ID = "kata-warm-up";
/** The guest's own files, seen through an overlay: nothing of the host is needed. */
const ROOT = "/run/kata-agent/warm-up";
/** How long a step may take on a busy host with an emulated guest. */
const STEP_MS = 300_000;

const CREATE: MessageInitShape<typeof CreateContainerRequestSchema> = {
  containerId: ID,
  storages: [{
    driver: "overlayfs",
    source: "overlay",
    fstype: "overlay",
    options: ["lowerdir=/bin", `upperdir=${ROOT}.upper`, `workdir=${ROOT}.work`],
    mountPoint: ROOT,
  }],
  OCI: {
    Version: "1.0.2",
    Root: { Path: ROOT, Readonly: false },
    Hostname: "warm-up",
    Process: {
      Args: ["/busybox", "true"],
      Env: ["PATH=/"],
      Cwd: "/",
      User: { UID: 0, GID: 0 },
    },
    Mounts: [
      { destination: "/proc", source: "proc", type: "proc", options: [] },
      { destination: "/dev", source: "tmpfs", type: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    Linux: {
      Namespaces: ["pid", "ipc", "uts", "mount", "cgroup"].map((Type) => ({ Type, Path: "" })),
    },
  },
};

/**
 * Lets the agent do once what every pod's start asks of it, so that code is loaded and compiled, and files are in the
 * guest's page cache. It leaves no trace that a pod could notice.
 */
export async function warmUp(agent: AgentLink["agent"], signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: STEP_MS, signal };
  await agent.getGuestDetails({}, options);
  await agent.setGuestDateTime(guestTime(), options);
  await agent.reseedRandomDev({ data: crypto.getRandomValues(new Uint8Array(32)) }, options);
  await agent.createContainer(CREATE, options);
  await agent.startContainer({ containerId: ID }, options);
  await agent.waitProcess({ containerId: ID }, options);
  await agent.removeContainer({ containerId: ID }, options);
}
