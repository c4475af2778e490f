/**
 * How the host names the PID namespace of another container of the pod in a container's configuration. Host paths mean
 * nothing in the guest, so the container's id stands in the path's place; other agents pass over such paths.
 */
const PREFIX = "container:";

/** The path for the namespace of a container. */
export function pidNamespacePath(containerId: string): string {
  return PREFIX + containerId;
}

/** The container whose namespace the path names, if it names one. */
export function containerOfPidNamespace(path: string | undefined): string | undefined {
  return path?.startsWith(PREFIX) ? path.slice(PREFIX.length) : undefined;
}
