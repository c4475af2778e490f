/** Calls about a container as a whole. */
import type { CreateContainerRequest } from "../../common/protocol/gen/kata/agent_pb.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { specFromGrpc } from "../container/oci.ts";
import type { OciSpec } from "../container/oci_types.ts";
import type { AgentImpl } from "./agent_service.ts";
import type { Guest } from "./guest.ts";

type Calls = Required<
  Pick<
    AgentImpl,
    | "createContainer"
    | "startContainer"
    | "removeContainer"
    | "updateContainer"
    | "statsContainer"
    | "pauseContainer"
    | "resumeContainer"
    | "getOOMEvent"
    | "getDiagnosticData"
  >
>;

export function containerCalls(guest: Guest): Calls {
  const { pod } = guest;
  return {
    async createContainer(request) {
      await createContainer(guest, request);
      return {};
    },
    async startContainer({ containerId }) {
      await pod.container(containerId).start();
      return {};
    },
    async removeContainer({ containerId, timeout }) {
      await pod.remove(containerId, timeout === 0 ? undefined : timeout * 1000);
      guest.releaseStorages(containerId);
      return {};
    },
    async updateContainer({ containerId, resources }) {
      const container = pod.container(containerId);
      if (!resources) throw new RuntimeError(Code.InvalidArgument, "No resources to update");
      const { resourcesFromGrpc } = await import("../container/oci_resources.ts");
      await container.update(resourcesFromGrpc(resources));
      return {};
    },
    async statsContainer({ containerId }) {
      const { cgroup } = pod.container(containerId);
      const [{ readStats }, { readNetworkStats }] = await Promise.all([
        import("../container/stats.ts"),
        import("../network/stats.ts"),
      ]);
      return {
        ...(cgroup && { cgroupStats: await readStats(cgroup.path) }),
        networkStats: await readNetworkStats(),
      };
    },
    async pauseContainer({ containerId }) {
      await pod.container(containerId).pause();
      return {};
    },
    async resumeContainer({ containerId }) {
      await pod.container(containerId).resume();
      return {};
    },
    async getDiagnosticData({ logType, containerId }) {
      if (logType !== "termination_log") {
        throw new RuntimeError(Code.InvalidArgument, `No record ${JSON.stringify(logType)}`);
      }
      const { terminationLog } = await import("../storage/termination_log.ts");
      return { data: await terminationLog(guest.paths.shared, pod.container(containerId).spec) };
    },
    async getOOMEvent(_request, { signal }) {
      return { containerId: await pod.oom.next(signal) };
    },
  };
}

/** Storages first, then devices, then crun; whatever was done is undone when a later step fails. */
async function createContainer(guest: Guest, request: CreateContainerRequest): Promise<void> {
  const { containerId: id } = request;
  if (!request.OCI) {
    throw new RuntimeError(Code.InvalidArgument, `Container "${id}" has no specification`);
  }
  const spec = specFromGrpc(request.OCI);
  using undo = new DisposableStack();
  const points = await guest.storages.add(request.storages);
  undo.defer(() => guest.storages.release(points));
  await addDevices(spec, request);
  await addGuestHooks(guest, spec);
  const ports = {
    stdin: request.stdinPort,
    stdout: request.stdoutPort,
    stderr: request.stderrPort,
  };
  await guest.pod.create({ id, spec, ports, sharePid: request.sandboxPidns });
  undo.move();
  guest.keepStorages(id, points);
}

async function addDevices(spec: OciSpec, request: CreateContainerRequest): Promise<void> {
  const { linux } = spec;
  const entries = linux.devices ?? [], rules = linux.resources?.devices ?? [];
  if (entries.length === 0 && rules.length === 0) return;
  const [{ resolveDevices }, { fitDevices }] = await Promise.all([
    import("../device/resolve.ts"),
    import("../device/fit.ts"),
  ]);
  const brought = new Set(request.devices.map(({ containerPath }) => containerPath));
  const own = await fitDevices(entries.filter(({ path }) => !brought.has(path)), rules);
  const added = await resolveDevices(
    request.devices,
    entries.filter(({ path }) => brought.has(path)),
    own.rules,
  );
  linux.devices = [...own.devices, ...added.devices];
  linux.resources = { ...linux.resources, devices: added.rules };
}

async function addGuestHooks(guest: Guest, spec: OciSpec): Promise<void> {
  const path = guest.sandbox?.guestHookPath;
  if (!path) return;
  const { withGuestHooks } = await import("../container/guest_hooks.ts");
  spec.hooks = await withGuestHooks(spec.hooks ?? {}, path);
}
