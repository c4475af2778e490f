/** A container in a pod's network namespace that serves and measures, by tests/support/net's net_peer. */
import type { Containerd } from "../support/containerd.ts";
import { background } from "./background.ts";

export interface PeerContainer {
  readonly id: string;
  /** Runs a program in it. @returns What it printed, on both outputs. */
  exec(...argv: string[]): Promise<string>;
  end(): Promise<void>;
  /** Waits until it has ended by itself or by somebody else. */
  ended(): Promise<void>;
}

/** What the container may be, besides. */
export interface PeerOptions {
  /** The namespace to join; none: one of its own. */
  readonly netns?: string;
  /** The folder with net_peer, which is /peer inside. */
  readonly tools: string;
  /** Flags of `ctr run`. */
  readonly flags: readonly string[];
  readonly script?: string;
}

const SERVE = "exec /peer/net_peer serve 8080 up";

/** Starts it, and waits until it is up. */
export async function startPeer(
  containerd: Containerd,
  id: string,
  { netns, tools, flags, script = SERVE }: PeerOptions,
): Promise<PeerContainer> {
  const mount = ["--mount", `type=bind,src=${tools},dst=/peer,options=rbind:ro`];
  const namespace = netns === undefined ? [] : ["--with-ns", `network:${netns}`];
  const running = await background(containerd, id, script, [...flags, ...mount, ...namespace]);
  let execs = 0;
  return {
    id,
    exec: async (...argv) => {
      const exec = ["task", "exec", "--exec-id", `e${execs++}`, id, ...argv];
      const { stdout, stderr } = await containerd.ctr(exec);
      return stdout + stderr;
    },
    end: async () => {
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", id]);
      await running.finish();
    },
    ended: async () => void await running.finish(),
  };
}
