import { processStartTime } from "../../common/linux/process.ts";
import type { CreateTaskRequest } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { ProcessKey } from "../sandbox/stdio_pump.ts";
import type { Exit } from "../sandbox/state_file.ts";
import type { TaskWatcher } from "../shim/task_events.ts";
import {
  containerFolder,
  type ContainerState,
  type ContainerStatus,
  saveContainerState,
} from "./container_state.ts";
import type { PodContainers } from "./pod_containers.ts";

/** What the keeper needs beyond what it is told. */
export interface KeeperOptions {
  readonly root: string;
  readonly sandboxId: string;
  readonly containers: Pick<PodContainers, "configOf" | "cgroupOf">;
  /** Called when an exec has ended, which nobody else will delete. */
  readonly execEnded: (key: ProcessKey) => void;
}

/** Writes what happens to containers into their state files, from which the command line answers. */
export class StatusKeeper implements TaskWatcher {
  readonly #options: KeeperOptions;
  readonly #states = new Map<string, ContainerState>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  created({ id, bundle }: CreateTaskRequest, pid: number): void {
    const { root, sandboxId, containers } = this.#options;
    const config = containers.configOf(id);
    const version = config?.json.ociVersion;
    this.#save({
      ociVersion: typeof version === "string" ? version : "1.0.2",
      id,
      status: "created",
      pid,
      startTime: processStartTime(pid),
      bundle,
      rootfs: config?.rootPath ?? "",
      created: new Date().toISOString(),
      annotations: config?.annotations ?? {},
      owner: ownerOf(containerFolder(root, id)),
      sandboxId,
      cgroup: containers.cgroupOf(id),
    });
  }

  execAdded(): void {}

  started({ containerId, execId }: ProcessKey): void {
    if (execId === "") this.#change(containerId, "running");
  }

  exited(key: ProcessKey, _pid: number, _exit: Exit): void {
    if (key.execId === "") this.#change(key.containerId, "stopped");
    else this.#options.execEnded(key);
  }

  deleted(containerId: string): void {
    this.#states.delete(containerId);
    try {
      Deno.removeSync(containerFolder(this.#options.root, containerId), { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it was removed by force
    }
  }

  /** Podman and CRI-O look for this file. Source: conmon's conmon.c, which writes it for containers of the host. */
  outOfMemory(_containerId: string, bundle: string): void {
    Deno.writeTextFileSync(`${bundle}/oom`, "");
  }

  paused(containerId: string): void {
    this.#change(containerId, "paused");
  }

  resumed(containerId: string): void {
    this.#change(containerId, "running");
  }

  #change(id: string, status: ContainerStatus): void {
    const state = this.#states.get(id);
    if (state) this.#save({ ...state, status });
  }

  #save(state: ContainerState): void {
    this.#states.set(state.id, state);
    saveContainerState(this.#options.root, state);
  }
}

/** The name of a folder's owner, as runc's `list` shows it. */
function ownerOf(folder: string): string {
  const { uid } = Deno.statSync(folder);
  if (uid === 0 || uid === null) return "root";
  const line = Deno.readTextFileSync("/etc/passwd").split("\n").find((each) =>
    each.split(":")[2] === `${uid}`
  );
  return line?.split(":")[0] ?? `#${uid}`;
}
