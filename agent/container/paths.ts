/** Where the agent keeps things in the guest; tests move them elsewhere. */
export interface AgentPaths {
  /** Bundles `<run>/<container>/`, and everything of the sandbox. */
  readonly run: string;
  /** What the host shares: root file systems and copied files. */
  readonly shared: string;
  /** Files that namespaces of the pod are bound on. */
  readonly namespaces: string;
  /** Scratch files with short names: a Unix socket's path may have 107 bytes only. */
  readonly scratch: string;
  /** crun's own state. */
  readonly crunRoot: string;
  readonly crun: string;
  /** Mount point of cgroup v2; absent where cgroups are not managed (tests on a host). */
  readonly cgroups: string | undefined;
  /** The machine is the agent's, and so are its files in /etc. */
  readonly ownsMachine: boolean;
}

/** Paths of Kata's guest contract. */
export const GUEST_PATHS: AgentPaths = {
  run: "/run/kata-containers",
  shared: "/run/kata-containers/shared/containers",
  namespaces: "/run/sandbox-ns",
  scratch: "/run/kata-agent",
  crunRoot: "/run/crun",
  crun: "/usr/bin/crun",
  cgroups: "/sys/fs/cgroup",
  ownsMachine: true,
};

/** Path of a container's cgroup below the cgroup mount, as crun is told it. */
export function cgroupPath(containerId: string): string {
  return `/kata/${containerId}`;
}
