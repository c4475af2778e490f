import { Code, RuntimeError } from "../../common/base/errors.ts";
import { kill, setOomScoreAdj, SIGNALS } from "../../common/linux/process.ts";
import { readBundle } from "../sandbox/bundle.ts";
import { podRole } from "../sandbox/pod.ts";
import { isServed, SOCKET_FOLDER, socketPath } from "./address.ts";
import { shimCgroup } from "./runc_options.ts";
import { readStartInput, type StartInput } from "./start_input.ts";
import { STARTED_VARIABLE } from "./environment.ts";
import type { Invocation } from "./invocation.ts";
import { startServer } from "./server_process.ts";
import { askSpares } from "./spare/ask.ts";
import type { Claim } from "./spare/claim.ts";

/** The process that was called with `start`. */
export interface Caller {
  /** Its environment, which the server inherits. */
  readonly variables: Readonly<Record<string, string>>;
  /** When it began, on the monotonic clock in milliseconds. */
  readonly startedMs: number;
}

function serverArguments(invocation: Invocation): string[] {
  const { namespace, id, address, publishBinary, socket, debug } = invocation;
  const named = { namespace, id, address, "publish-binary": publishBinary, socket };
  const words = Object.entries(named).flatMap(([name, value]) => [`-${name}`, value]);
  return [...words, ...(debug ? ["-debug"] : [])];
}

/** The kernel kills the shim before containerd, and the containers before the shim. Source: containerd's shim.AdjustOOMScore. */
function serverOomScore(): number {
  return Math.min(Number(Deno.readTextFileSync("/proc/self/oom_score_adj")) + 1, 1000);
}

function adjustOomScore(pid: number): void {
  setOomScoreAdj(pid, serverOomScore());
}

async function startShim(
  invocation: Invocation,
  bundle: string,
  cgroup: string,
  caller: Caller,
): Promise<number> {
  const args = serverArguments(invocation), env = variablesFor(caller);
  const command = { args, cwd: bundle, env };
  const pid = await startServer(Deno.execPath(), command, adjustOomScore);
  if (cgroup !== "") await moveServer(cgroup, pid);
  return pid;
}

function variablesFor({ variables, startedMs }: Caller): Readonly<Record<string, string>> {
  return { ...variables, [STARTED_VARIABLE]: `${startedMs}` };
}

/** Loaded where shims wait only. */
async function viewFor({ options }: StartInput, { variables }: Caller): Promise<string> {
  const [{ configPlace }, { viewOf }] = await Promise.all([
    import("./config_place.ts"),
    import("./spare/view.ts"),
  ]);
  return await viewOf(configPlace(options).path ?? variables.KATA_CONF_FILE);
}

/** What a shim that waits is told, to become the one that would have been started. */
function claimFor(
  invocation: Invocation,
  bundle: string,
  shimCgroup: string,
  caller: Caller,
): Claim {
  return {
    invocation: { ...invocation, action: "serve" },
    bundle,
    variables: variablesFor(caller),
    cgroups: Deno.readTextFileSync("/proc/self/cgroup"),
    shimCgroup,
    oomScoreAdj: serverOomScore(),
  };
}

/** A server that cannot go where the engine wants it must not stay where it is. */
async function moveServer(cgroup: string, pid: number): Promise<void> {
  const { joinCgroup } = await import("./shim_cgroup.ts");
  try {
    joinCgroup(cgroup, pid);
  } catch (error) {
    kill(pid, SIGNALS.SIGKILL);
    throw error;
  }
}

/** Makes the address known to a containerd that restarts, and to CRI-O. Readers see all of it or nothing. */
function writeAddress(bundle: string, address: string): void {
  Deno.writeTextFileSync(`${bundle}/.address`, address, { mode: 0o600 });
  Deno.renameSync(`${bundle}/.address`, `${bundle}/address`);
}

function makeSocketFolder(): void {
  Deno.mkdirSync(SOCKET_FOLDER, { recursive: true, mode: 0o711 });
}

/** A socket whose shim was killed stays behind and would be in the way. */
function removeDeadSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The `start` action: one server for each sandbox; a container of a running sandbox gets that one's address.
 * @returns The address, as containerd 1.6 to 2.3 and CRI-O accept it.
 */
export async function start(invocation: Invocation, caller: Caller): Promise<string> {
  const bundle = Deno.cwd();
  const { annotations } = await readBundle(bundle);
  const input = await readStartInput(invocation.id);
  const role = podRole(invocation.id, annotations);
  const socket = await socketPath(invocation.address, invocation.namespace, role.sandboxId);
  const address = `unix://${socket}`;
  if (!await isServed(socket)) {
    if (role.kind === "member") {
      throw new RuntimeError(
        Code.NotFound,
        `Cannot start container "${invocation.id}": nobody serves its sandbox "${role.sandboxId}"`,
      );
    }
    makeSocketFolder();
    removeDeadSocket(socket);
    const named = { ...invocation, debug: invocation.debug || input.debug, socket };
    const cgroup = shimCgroup(input.options);
    const pid = await askSpares(
      () => viewFor(input, caller),
      () => claimFor(named, bundle, cgroup, caller),
    ) ?? await startShim(named, bundle, cgroup, caller);
    Deno.writeTextFileSync(`${bundle}/shim.pid`, `${pid}`, { mode: 0o600 });
  }
  writeAddress(bundle, address);
  return address;
}
