import { messageOf } from "../../../common/base/errors.ts";
import { connectPod, type PodClient } from "../../pod_daemon/client.ts";
import { containerFolder } from "../../pod_daemon/container_state.ts";
import { startPod } from "../../pod_daemon/start.ts";
import {
  type BundleConfig,
  isObject,
  namespacesOf,
  networkNamespaceOf,
} from "../../sandbox/bundle.ts";
import { type PodRole, podRole } from "../../sandbox/pod.ts";
import { bundleConfig, bundleFolder } from "./bundle_check.ts";
import { checkCount, checkedId } from "./find.ts";
import { type FlagTable, type Parsed, parseFlags, wordOf } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { attachProcess, writePidFile } from "./new_process.ts";
import { OciError } from "./oci_error.ts";
import { newTerminal, ownStreams, sendConsole, type Streams } from "./streams.ts";

/** Flags of `create`, and of `run` besides its own. What has no meaning for a VM is accepted. */
export const CREATE_FLAGS: FlagTable = {
  "bundle": { kind: "word", short: "b" },
  "config": { kind: "word", short: "f" },
  "console-socket": { kind: "word" },
  "pid-file": { kind: "word" },
  "preserve-fds": { kind: "word" },
  "no-pivot": { kind: "switch" },
  "no-new-keyring": { kind: "switch" },
  "no-subreaper": { kind: "switch" },
  "no-mount-fallback": { kind: "switch" },
};

/** What a container is created with. */
export interface Creation {
  readonly id: string;
  readonly bundle: string;
  readonly config: BundleConfig;
  readonly streams: Streams;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
}

/** @throws {OciError} Descriptors beyond stdio cannot follow a process into a VM. */
function checkPreservedFds(parsed: Parsed): void {
  const count = wordOf(parsed, "preserve-fds") ?? "0";
  if (count === "0") return;
  throw new OciError(
    `cannot pass ${count} descriptors (--preserve-fds) to a process in a VM: only stdin, stdout and stderr reach it`,
  );
}

/** Reads the flags and the bundle. @param detached Whether the terminal must go to a console socket. */
export async function prepareCreation(parsed: Parsed, detached: boolean): Promise<Creation> {
  checkPreservedFds(parsed);
  const bundle = bundleFolder(wordOf(parsed, "bundle") ?? ".");
  const config = await bundleConfig(bundle), id = checkedId(parsed.rest[0] ?? "");
  const consoleSocket = wordOf(parsed, "console-socket");
  checkConsole(config.terminal, detached, consoleSocket);
  const streams = config.terminal ? newTerminal() : ownStreams();
  return { id, bundle, config, streams, pidFile: wordOf(parsed, "pid-file"), consoleSocket };
}

/** @throws {OciError} As runc words it. */
export function checkConsole(
  terminal: boolean,
  detached: boolean,
  consoleSocket: string | undefined,
): void {
  if (detached && terminal && !consoleSocket) {
    throw new OciError("cannot allocate tty if runc will detach without setting console socket");
  }
  if ((!detached || !terminal) && consoleSocket) {
    throw new OciError("cannot use console socket if runc will not detach or allocate tty");
  }
}

/** Takes the id: its folder exists from now on. */
function reserve(root: string, id: string): Disposable {
  Deno.mkdirSync(root, { recursive: true, mode: 0o711 });
  const folder = containerFolder(root, id);
  try {
    Deno.mkdirSync(folder, { mode: 0o711 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new OciError("container with given ID already exists");
    }
    throw error;
  }
  return {
    [Symbol.dispose]: () => {
      try {
        Deno.removeSync(folder, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // the daemon has removed it
      }
    },
  };
}

async function podFor({ root, config, debug }: Globals, role: PodRole): Promise<PodClient> {
  if (role.kind !== "member") {
    return await startPod({ root, sandboxId: role.sandboxId, config, debug }, Deno.env.toObject());
  }
  const pod = await connectPod(root, role.sandboxId);
  if (pod) return pod;
  throw new OciError(`cannot join pod "${role.sandboxId}": it does not run`);
}

function commandLine({ json }: BundleConfig): string[] {
  const args = isObject(json.process) ? json.process.args : undefined;
  return Array.isArray(args) ? args.filter((arg) => typeof arg === "string") : [];
}

function netnsOf({ json }: BundleConfig): string | "new" | undefined {
  const asked = namespacesOf(json).some(({ type }) => type === "network");
  return networkNamespaceOf(json) ?? (asked ? "new" : undefined);
}

/**
 * Creates a container: its pod's daemon where it has none, its relay, and then the container in the VM.
 * @returns The relay's pid.
 * @throws {OciError} Nothing is left then.
 */
export async function createContainer(globals: Globals, creation: Creation): Promise<number> {
  const { id, bundle, config, streams, pidFile, consoleSocket } = creation;
  const role = podRole(id, config.annotations);
  using undo = new DisposableStack();
  undo.use(reserve(globals.root, id));
  using pod = await podFor(globals, role);
  try {
    const spec = { argv: commandLine(config), netns: netnsOf(config) };
    const key = { containerId: id, execId: "" };
    const pid = await attachProcess(pod.attachSocket, key, spec, streams);
    if (consoleSocket && streams.master) sendConsole(consoleSocket, streams.master.fd);
    await pod.task.create({ id, bundle, terminal: config.terminal });
    if (pidFile) writePidFile(pidFile, pid);
    undo.move();
    return pid;
  } catch (error) {
    undo.dispose();
    await pod.endIfEmpty().catch(() => {}); // it may have ended already, which is what we want
    throw error;
  }
}

/** Tells of a failure as one of this verb, as runc does. */
export async function asFailureOf<T>(verb: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new OciError(`kata-runtime ${verb} failed: ${messageOf(error)}`);
  }
}

/** `create ID`: the container waits to be started. */
export async function create(globals: Globals, args: readonly string[]): Promise<string> {
  const parsed = parseFlags(CREATE_FLAGS, args);
  checkCount(parsed.rest, "create", { min: 1, max: 1 });
  return await asFailureOf("create", async () => {
    const creation = await prepareCreation(parsed, true);
    using _streams = creation.streams;
    await createContainer(globals, creation);
    return "";
  });
}
