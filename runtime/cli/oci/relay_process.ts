import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { close, O, open, OwnedFd, pipe, readSync } from "../../../common/linux/fd.ts";
import { exitCodeOf, reaper } from "../../../common/linux/reaper.ts";
import { socketPair } from "../../../common/linux/socket.ts";
import { spawn } from "../../../common/linux/spawn.ts";

/** Descriptors of the relay. Source: runtime/relay/relay.c. */
const FD = { channel: 0, netns: 3, terminal: 4, report: 5, pidns: 6, mntns: 7 } as const;

/** What a relay shall be like. */
export interface RelaySpec {
  /** What ps(1) shows: the command line of the process that it stands for. */
  readonly argv: readonly string[];
  /** The network namespace to live in, or a new one; ours when absent. */
  readonly netns?: string | "new" | undefined;
  /** The slave of a terminal, to be its controlling one. */
  readonly terminal?: number | undefined;
  /** The relay of the container's init, whose namespaces it shall join. */
  readonly join?: number | undefined;
}

/** A relay that was started, and the server's end of its socket. */
export interface StartedRelay {
  readonly pid: number;
  readonly channel: OwnedFd;
}

function openFor(path: string, undo: DisposableStack): number {
  try {
    const fd = open(path, O.RDONLY);
    undo.defer(() => close(fd));
    return fd;
  } catch (cause) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot enter namespace "${path}": ${messageOf(cause)}`,
    );
  }
}

function namespaces({ netns, join }: RelaySpec, undo: DisposableStack): Record<number, number> {
  return {
    ...(netns === undefined || netns === "new" ? {} : { [FD.netns]: openFor(netns, undo) }),
    ...(join === undefined ? {} : {
      [FD.pidns]: openFor(`/proc/${join}/ns/pid`, undo),
      [FD.mntns]: openFor(`/proc/${join}/ns/mnt`, undo),
    }),
  };
}

/**
 * Starts the relay of a process. It is no child of ours, but a descendant of whoever called us, as engines that wait
 * for it need. It ends with 255 when the server's end of its socket closes.
 * @throws {RuntimeError} Its program or a namespace is missing, or we may not make namespaces.
 */
export async function startRelayProcess(spec: RelaySpec): Promise<StartedRelay> {
  using undo = new DisposableStack();
  const [ours, theirs] = socketPair();
  const channel = undo.use(new OwnedFd(ours));
  undo.defer(() => close(theirs));
  const [report, reported] = pipe();
  undo.defer(() => close(report));
  undo.defer(() => close(reported));
  const starter = spawn({
    argv: spec.argv.length > 0 ? spec.argv : ["kata-relay"],
    program: Deno.execPath().replace(/[^/]*$/, "kata-relay"),
    env: spec.netns === "new" ? { RELAY_NETNS: "new" } : {},
    cwd: "/",
    newSession: true,
    fds: {
      [FD.channel]: theirs,
      [FD.report]: reported,
      ...(spec.terminal === undefined ? {} : { [FD.terminal]: spec.terminal }),
      ...namespaces(spec, undo),
    },
  });
  const code = exitCodeOf(await reaper().exit(starter));
  if (code !== 0) {
    throw new RuntimeError(Code.Unknown, `Cannot start a relay: it ended with status ${code}`);
  }
  const pid = new Int32Array(1);
  readSync(report, new Uint8Array(pid.buffer));
  return { pid: pid[0] ?? 0, channel: new OwnedFd(channel.release()) };
}
