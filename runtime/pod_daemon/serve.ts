import { messageOf } from "../../common/base/errors.ts";
import { log, setLogLevel, setLogSink } from "../../common/base/log.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import { becomeSubreaper } from "../../common/linux/process.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";
import { Routes } from "../../common/protocol/ttrpc/service.ts";
import { loadConfig } from "../config/load.ts";
import { Timeline } from "../metrics/timeline.ts";
import { readBundle } from "../sandbox/bundle.ts";
import type { ProcessKey } from "../sandbox/stdio_pump.ts";
import { listenForOwner } from "../shim/server_process.ts";
import { TaskHost } from "../shim/task_host.ts";
import { Attachments } from "./attachments.ts";
import { attachedIo } from "./attached_io.ts";
import { daemonFolder } from "./folder.ts";
import { OCI_NAMESPACE } from "./namespace.ts";
import { PodContainers } from "./pod_containers.ts";
import { podService } from "./pod_service.ts";
import { StatusKeeper } from "./status_keeper.ts";

/** What the command line starts a pod's daemon with. */
export interface PodOptions {
  /** The command line's `--root`: part of the pod's identity. */
  readonly root: string;
  readonly sandboxId: string;
  /** The configuration file that was named, if any. */
  readonly config?: string | undefined;
  readonly debug: boolean;
}

/** A daemon that gets no container for so long, in milliseconds, was forgotten: whoever started it has died. */
const IDLE_MS = 30_000;

/** Longest log of one pod, in bytes; what comes later is dropped. */
const MAX_LOG_BYTES = 1024 * 1024;

/** A delete by force may have been there before. */
function removeFolder(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Lines into a file of bounded size. */
function fileSink(path: string): (line: string) => void {
  const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  const encoder = new TextEncoder();
  let left = MAX_LOG_BYTES;
  return (line) => {
    const bytes = encoder.encode(`${line}\n`);
    left -= bytes.length;
    if (left >= 0) file.writeSync(bytes);
  };
}

function hostOf(
  { root, sandboxId, config }: PodOptions,
  attachments: Attachments,
  containers: PodContainers,
  timeline: Timeline,
  done: () => void,
): { host: TaskHost; keeper: StatusKeeper } {
  const forget = ({ containerId, execId }: ProcessKey): void => {
    host.delete(containerId, execId).catch((error) =>
      log.debug("An exec is gone already", { exec: execId, reason: messageOf(error) })
    );
  };
  const keeper = new StatusKeeper({
    root,
    sandboxId,
    containers,
    execEnded: forget,
  });
  const host = new TaskHost({
    namespace: OCI_NAMESPACE,
    address: root,
    events: keeper,
    timeline,
    loadConfig: () => loadConfig({ path: config }),
    readBundle: async (bundle, id) => containers.configOf(id) ?? await readBundle(bundle),
    // deno-lint-ignore require-await -- what it throws is to reject
    openIo: async (_uris, key) => attachedIo(attachments.take(key)),
    saveExit: () => {}, // the state file tells that it stopped, and its relay how
    shutdown: done,
  });
  return { host, keeper };
}

/**
 * Serves one pod to the command line, until its last container is deleted.
 * @param bornMs When this process began, on the monotonic clock.
 */
export async function servePod(options: PodOptions, bornMs: number): Promise<void> {
  const folder = await daemonFolder(options.root, options.sandboxId);
  setLogSink(fileSink(folder.log));
  if (options.debug) setLogLevel("debug");
  becomeSubreaper();
  reaper().adoptOrphans();
  const done = Promise.withResolvers<void>();
  const timeline = new Timeline();
  timeline.add("daemon: load the program", bornMs, monotonicMs());
  const containers = new PodContainers();
  using attachments = new Attachments(folder.attachSocket);
  const { host, keeper } = hostOf(options, attachments, containers, timeline, () => done.resolve());
  const routes = new Routes().add(
    Task,
    podService({ host, watcher: keeper, attachments, containers }),
  );
  const stopping = new AbortController();
  const served = listenForOwner(folder.socket, new TtrpcServer(routes), stopping.signal);
  const idle = setTimeout(() => void host.shutdown(), IDLE_MS);
  await done.promise;
  clearTimeout(idle);
  await containers.removeAll();
  removeFolder(folder.path);
  stopping.abort();
  await served;
}
