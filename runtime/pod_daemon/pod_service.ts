import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { SIGNALS } from "../../common/linux/process.ts";
import type { CreateTaskRequest, Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { ServiceImpl } from "../../common/protocol/ttrpc/service.ts";
import { killTask } from "../shim/task_control.ts";
import type { TaskHost } from "../shim/task_host.ts";
import { taskService } from "../shim/task_service.ts";
import { exitFields, type TaskWatcher } from "../shim/task_events.ts";
import type { Attachments } from "./attachments.ts";
import type { PodContainers } from "./pod_containers.ts";

/** What the service of a pod's daemon is made of. */
export interface PodServiceParts {
  readonly host: TaskHost;
  readonly watcher: TaskWatcher;
  readonly attachments: Attachments;
  readonly containers: PodContainers;
}

/** Ends a container of which the command line will not hear. */
async function giveUp(host: TaskHost, id: string): Promise<void> {
  const container = host.container(id), process = container.init;
  await killTask(host.sandbox, { container, process, all: true }, SIGNALS.SIGKILL);
  await host.delete(id, "");
}

/** Reads the bundle, counts the relay as the container's, and makes the container. */
async function createContainer(
  { host, attachments, containers }: PodServiceParts,
  request: CreateTaskRequest,
  signal: AbortSignal,
): Promise<number> {
  const { id, bundle } = request;
  await containers.prepare(id, bundle, attachments.pidOf({ containerId: id, execId: "" }));
  return await host.create(request, signal);
}

/** The Task service as the command line calls it: streams and relays come beforehand, by {@linkcode Attachments}. */
export function podService(parts: PodServiceParts): ServiceImpl<typeof Task> {
  const { host, watcher, attachments, containers } = parts;
  const service = taskService(host, watcher);
  return {
    ...service,
    async create(request, { signal }) {
      const { id } = request;
      try {
        return { pid: await createContainer(parts, request, signal) };
      } catch (error) {
        log.error("Cannot create a container", { container: id, reason: messageOf(error) });
        if (host.has(id)) await giveUp(host, id);
        await containers.remove(id);
        void host.shutdown(); // a pod without containers is of no use
        throw error;
      } finally {
        attachments.drop({ containerId: id, execId: "" });
      }
    },
    async exec(request) {
      const { id, execId } = request, key = { containerId: id, execId };
      try {
        await containers.admit(id, attachments.pidOf(key));
        await host.exec(request);
        return {};
      } finally {
        attachments.drop(key);
      }
    },
    async delete({ id, execId }) {
      const { pid, exit } = await host.delete(id, execId);
      if (execId === "") await containers.remove(id);
      return { pid, ...exitFields(exit) };
    },
  };
}
