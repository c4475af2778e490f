import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from "../../common/protocol/gen/containerd/events_pb.ts";
import type { CreateTaskRequest } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { ProcessKey } from "../sandbox/stdio_pump.ts";
import type { Exit } from "../sandbox/state_file.ts";
import type { EventPublisher } from "./event_publisher.ts";

/** Is told what happens to tasks. */
export interface TaskWatcher {
  created(request: CreateTaskRequest, pid: number): void;
  /** An exec is known, but not started. */
  execAdded(key: ProcessKey): void;
  started(key: ProcessKey, pid: number): void;
  exited(key: ProcessKey, pid: number, exit: Exit): void;
  /** A container is gone; execs have no such event. */
  deleted(containerId: string, pid: number, exit: Exit): void;
  /** The kernel killed for lack of memory. */
  outOfMemory(containerId: string, bundle: string): void;
  paused(containerId: string): void;
  resumed(containerId: string): void;
}

/** What happens to tasks, told to the engine. Source: containerd core/runtime/events.go for the topics. */
export class TaskEvents implements TaskWatcher {
  readonly #publisher: EventPublisher;

  constructor(publisher: EventPublisher) {
    this.#publisher = publisher;
  }

  created(request: CreateTaskRequest, pid: number): void {
    const { id, bundle, rootfs, stdin, stdout, stderr, terminal, checkpoint } = request;
    this.#publisher.publish("/tasks/create", TaskCreateSchema, {
      containerId: id,
      bundle,
      rootfs,
      io: { stdin, stdout, stderr, terminal },
      checkpoint,
      pid,
    });
  }

  execAdded({ containerId, execId }: ProcessKey): void {
    this.#publisher.publish("/tasks/exec-added", TaskExecAddedSchema, { containerId, execId });
  }

  started({ containerId, execId }: ProcessKey, pid: number): void {
    if (execId === "") {
      this.#publisher.publish("/tasks/start", TaskStartSchema, { containerId, pid });
    } else {this.#publisher.publish("/tasks/exec-started", TaskExecStartedSchema, {
        containerId,
        execId,
        pid,
      });}
  }

  exited({ containerId, execId }: ProcessKey, pid: number, exit: Exit): void {
    this.#publisher.publish("/tasks/exit", TaskExitSchema, {
      containerId,
      id: execId || containerId,
      pid,
      ...exitFields(exit),
    });
  }

  deleted(containerId: string, pid: number, exit: Exit): void {
    this.#publisher.publish("/tasks/delete", TaskDeleteSchema, {
      containerId,
      id: containerId,
      pid,
      ...exitFields(exit),
    });
  }

  /** CRI-O learns it by a file in the bundle. Source: its runtime_vm.go. */
  outOfMemory(containerId: string, bundle: string): void {
    this.#publisher.publish("/tasks/oom", TaskOOMSchema, { containerId });
    if (this.#publisher.address === "") Deno.writeTextFileSync(`${bundle}/oom`, "");
  }

  paused(containerId: string): void {
    this.#publisher.publish("/tasks/paused", TaskPausedSchema, { containerId });
  }

  resumed(containerId: string): void {
    this.#publisher.publish("/tasks/resumed", TaskResumedSchema, { containerId });
  }
}

/** How a process ended, as responses and events carry it. */
export function exitFields(
  exit: Exit,
): { exitStatus: number; exitedAt: ReturnType<typeof timestampFromMs> } {
  return { exitStatus: exit.status, exitedAt: timestampFromMs(exit.at) };
}
