import { type JsonObject, namespacesOf } from "./bundle.ts";

/** What a container is to its pod, as the engine's annotations tell. */
export type PodRole =
  | { readonly kind: "sandbox"; readonly sandboxId: string }
  | { readonly kind: "member"; readonly sandboxId: string }
  /** No pod at all: ctr, nerdctl, Docker. */
  | { readonly kind: "single"; readonly sandboxId: string };

/** Where containerd and CRI-O say it. Source: containerd pkg/cri/annotations; cri-o pkg/annotations. */
const SCHEMES = [
  { type: "io.kubernetes.cri.container-type", sandbox: "io.kubernetes.cri.sandbox-id" },
  { type: "io.kubernetes.cri-o.ContainerType", sandbox: "io.kubernetes.cri-o.SandboxID" },
] as const;

/** Finds a container's pod; a member without a sandbox id counts as single. */
export function podRole(id: string, annotations: Readonly<Record<string, string>>): PodRole {
  for (const scheme of SCHEMES) {
    const type = annotations[scheme.type];
    if (type === "sandbox") return { kind: "sandbox", sandboxId: id };
    const sandboxId = annotations[scheme.sandbox];
    if (type === "container" && sandboxId) return { kind: "member", sandboxId };
  }
  return { kind: "single", sandboxId: id };
}

/** Whose processes a container sees. */
export type PidNamespace =
  | { readonly of: "pod" }
  | { readonly of: "itself" }
  /** Another container of its pod, as `kubectl debug --target` asks for. */
  | { readonly of: "container"; readonly id: string };

/** A namespace by the process that is in it. */
const OF_PROCESS = /^\/proc\/(\d+)\/ns\/pid$/;

/**
 * The PID namespace of a container. A pod's first container makes the pod's; a later one names, by path, the first one
 * (then it lives in the pod's) or another one (then it joins that one's); without a path it has its own.
 * Source: containerd pkg/cri, PID namespace modes.
 * @param containerOf The container of this pod whose init has this pid on the host.
 */
export function pidNamespace(
  { kind, sandboxId }: PodRole,
  config: JsonObject,
  containerOf: (pid: number) => string | undefined,
): PidNamespace {
  if (kind !== "member") return { of: kind === "sandbox" ? "pod" : "itself" };
  const path = namespacesOf(config).find(({ type }) => type === "pid")?.path ?? "";
  if (path === "") return { of: "itself" };
  const pid = OF_PROCESS.exec(path)?.[1];
  const id = pid === undefined ? undefined : containerOf(Number(pid));
  return id === undefined || id === sandboxId ? { of: "pod" } : { of: "container", id };
}
