import { create } from "@bufbuild/protobuf";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { Status } from "../../common/protocol/gen/containerd/process_pb.ts";
import { ProcessDetailsSchema } from "../../common/protocol/gen/containerd/runc_options_pb.ts";
import type { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { ServiceImpl } from "../../common/protocol/ttrpc/service.ts";
import type { Container } from "../sandbox/container.ts";
import type { Process } from "../sandbox/process.ts";
import { statsInGuest } from "../sandbox/process_control.ts";
import { resizeTerminal } from "../sandbox/terminal_size.ts";
import { packAny } from "./any.ts";
import { hostIsUnified } from "../../common/linux/cgroup_mode.ts";
import { killTask, setPaused, updateContainer } from "./task_control.ts";
import { exitFields, type TaskWatcher } from "./task_events.ts";
import type { TaskHost } from "./task_host.ts";

/** The version that Connect reports. Source: containerd's shim API. */
const API_VERSION = "2";

function statusOf(container: Container, process: Process): Status {
  switch (process.phase.is) {
    case "created":
    case "starting":
      return Status.CREATED;
    case "running":
      return container.paused ? Status.PAUSED : Status.RUNNING;
    case "stopped":
      return Status.STOPPED;
  }
}

function processInfo({ pid, key }: Process): { pid: number; info: ReturnType<typeof packAny> } {
  const details = create(ProcessDetailsSchema, { execId: key.execId });
  return { pid, info: packAny(ProcessDetailsSchema, details) };
}

/**
 * containerd's Task service: decode, delegate, encode.
 * Source: containerd api/runtime/task/v2/shim.proto; v3 has the same messages.
 */
export function taskService(host: TaskHost, events: TaskWatcher): ServiceImpl<typeof Task> {
  const find = (id: string, execId: string): [Container, Process] => {
    const container = host.container(id);
    return [container, container.process(execId)];
  };
  return {
    async create(request, { signal }) {
      return { pid: await host.create(request, signal) };
    },
    async start({ id, execId }) {
      return { pid: await host.start(id, execId) };
    },
    async delete({ id, execId }) {
      const { pid, exit } = await host.delete(id, execId);
      return { pid, ...exitFields(exit) };
    },
    async exec(request) {
      await host.exec(request);
      return {};
    },
    // deno-lint-ignore require-await -- answers from memory, whatever the guest does
    async state({ id, execId }) {
      const [container, process] = find(id, execId);
      return {
        id,
        execId,
        bundle: container.bundle,
        pid: process.pid,
        status: statusOf(container, process),
        ...host.streamsOf(process),
        terminal: process.terminal,
        ...(process.phase.is === "stopped" ? exitFields(process.phase.exit) : {}),
      };
    },
    async kill({ id, execId, signal, all }) {
      const [container, process] = find(id, execId);
      await killTask(host.sandbox, { container, process, all }, signal);
      return {};
    },
    async wait({ id, execId }) {
      const exit = await find(id, execId)[1].exited;
      return exitFields(exit);
    },
    async pids({ id }) {
      const container = host.container(id);
      const alive = container.execs.filter(({ phase }) => phase.is === "running");
      const { guestPids } = await import("../sandbox/guest_pids.ts");
      const others = await guestPids(host.sandbox, container);
      const known = [container.init, ...alive].map(processInfo);
      return { processes: [...known, ...others.map((pid) => ({ pid }))] };
    },
    // deno-lint-ignore require-await -- closes a descriptor
    async closeIO({ id, execId, stdin }) {
      if (stdin) find(id, execId)[1].io.closeStdin();
      return {};
    },
    async resizePty({ id, execId, width, height }) {
      const size = { columns: width, rows: height };
      await resizeTerminal(host.sandbox, find(id, execId)[1], size);
      return {};
    },
    async pause({ id }) {
      await setPaused(host.sandbox, host.container(id), true);
      events.paused(id);
      return {};
    },
    async resume({ id }) {
      await setPaused(host.sandbox, host.container(id), false);
      events.resumed(id);
      return {};
    },
    async update({ id, resources }) {
      await updateContainer(host.sandbox, host.container(id), resources?.value);
      return {};
    },
    async stats({ id }) {
      const container = host.container(id);
      const { packStats } = await import("./task_stats.ts");
      return { stats: packStats(await statsInGuest(host.sandbox, container), hostIsUnified()) };
    },
    // deno-lint-ignore require-await -- answers from memory
    async connect({ id }) {
      return {
        shimPid: Deno.pid,
        taskPid: host.has(id) ? host.container(id).init.pid : 0,
        version: API_VERSION,
      };
    },
    async shutdown() {
      await host.shutdown();
      return {};
    },
    // deno-lint-ignore require-await -- refuses at once
    async checkpoint() {
      throw new RuntimeError(Code.Unimplemented, "Cannot checkpoint a container that runs in a VM");
    },
  };
}
