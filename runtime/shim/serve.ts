import { setLogLevel, setLogSink } from "../../common/base/log.ts";
import { becomeSubreaper } from "../../common/linux/process.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";
import { Routes } from "../../common/protocol/ttrpc/service.ts";
import { Timeline } from "../metrics/timeline.ts";
import { readBundle } from "../sandbox/bundle.ts";
import type { SpareVm } from "../sandbox/spare_vm.ts";
import { EventPublisher } from "./event_publisher.ts";
import type { ShimEnvironment } from "./environment.ts";
import { saveExit } from "./exit_file.ts";
import type { Invocation } from "./invocation.ts";
import { openShimLog } from "./log_fifo.ts";
import { configFor } from "./options.ts";
import { listenForOwner, type StartReport } from "./server_process.ts";
import { openStdio } from "./stdio/open.ts";
import { TaskEvents } from "./task_events.ts";
import { TaskHost } from "./task_host.ts";
import { taskService } from "./task_service.ts";

/** Longest time that the last events may take, in milliseconds. containerd gives Shutdown 3 s. */
const FLUSH_MS = 2_500;

function newTimeline(
  startedMs: number | undefined,
  { bornMs, spare }: ShimBirth,
  now: number,
): Timeline {
  const timeline = new Timeline();
  if (startedMs !== undefined) {
    timeline.add("start: choose the address, spawn the server", startedMs, bornMs);
  }
  timeline.add(spare ? "server: become this pod's" : "server: load the program", bornMs, now);
  return timeline;
}

/** How a process comes to be a sandbox's shim. */
export interface ShimBirth {
  /** When the process began, or was asked for, on the monotonic clock in milliseconds. */
  readonly bornMs: number;
  /** To be told that it listens; by default whoever started the process. */
  readonly report?: StartReport;
  /** The VM that it has kept ready. */
  readonly spare?: SpareVm;
}

/** Serves the Task API until the engine shuts the shim down. */
export async function serve(
  invocation: Invocation,
  environment: ShimEnvironment,
  birth: ShimBirth,
): Promise<void> {
  setLogSink(openShimLog(`${Deno.cwd()}/log`));
  if (invocation.debug) setLogLevel("debug");
  becomeSubreaper();
  reaper().adoptOrphans();
  const done = Promise.withResolvers<void>();
  const { namespace, address, socket } = invocation;
  const publisher = new EventPublisher(environment.ttrpcAddress, namespace);
  const events = new TaskEvents(publisher);
  const timeline = newTimeline(environment.startedMs, birth, monotonicMs());
  const host = new TaskHost({
    namespace,
    address,
    events,
    timeline,
    loadConfig: configFor,
    readBundle,
    openIo: (uris, { containerId }) => openStdio(uris, { id: containerId, namespace }),
    saveExit,
    shutdown: () => done.resolve(),
    spare: birth.spare,
  });
  const routes = new Routes().add(Task, taskService(host, events), {
    aliases: ["containerd.task.v3.Task"],
  });
  const stopping = new AbortController();
  const server = new TtrpcServer(routes);
  const served = listenForOwner(socket, server, stopping.signal, birth.report);
  await done.promise;
  await birth.spare?.[Symbol.asyncDispose](); // nobody may have asked for a sandbox
  await publisher.flush(FLUSH_MS);
  stopping.abort();
  await served;
}
