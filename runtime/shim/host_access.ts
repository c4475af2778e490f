import { Code, RuntimeError } from "../../common/base/errors.ts";
import { type JsonObject, namespacesOf } from "../sandbox/bundle.ts";
import type { PodRole } from "../sandbox/pod.ts";

/** What a pod has of its own; without, it asks for the host's, in Kubernetes' words. Source: containerd pkg/cri/sbserver. */
const OWN_NAMESPACES = { network: "hostNetwork", pid: "hostPID", ipc: "hostIPC" } as const;

/** Namespaces that only a process of the same kernel could join. The network's is what leads traffic to the VM. */
const GUEST_KINDS: ReadonlySet<string> = new Set(["pid", "ipc", "uts", "mount", "user", "cgroup"]);

function refused(id: string, what: string, instead = ""): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `Cannot create container "${id}": ${what}, which a container in a VM cannot have${instead}`,
  );
}

/** How engines ask for the host's network: by leaving the namespace out of the configuration. */
const HOST_NETWORK = "it asks for the host's network (--net-host, --network host)";
const OWN_NETWORK = "; without that option it gets a network of its own";

/**
 * Refuses, before any VM starts, what the VM's isolation rules out: the host's namespaces, and another
 * container's for a container outside of pods. Containers of a pod name its namespaces; the guest has them.
 * @throws {RuntimeError} InvalidArgument.
 */
export function checkHostAccess(id: string, role: PodRole, config: JsonObject): void {
  const namespaces = namespacesOf(config);
  if (role.kind === "single") {
    const joined = namespaces.find(({ type, path }) => GUEST_KINDS.has(type) && path !== "");
    if (joined) throw refused(id, `it joins the ${joined.type} namespace "${joined.path}"`);
    if (!namespaces.some(({ type }) => type === "network")) {
      throw refused(id, HOST_NETWORK, OWN_NETWORK);
    }
  }
  if (role.kind === "member") {
    if (namespaces.some(({ type }) => type === "pid")) return; // the others are its pod's
    throw refused(id, "it asks for the host's pid namespace (hostPID)");
  }
  const whose = role.kind === "sandbox" ? "its pod asks" : "it asks";
  for (const [type, name] of Object.entries(OWN_NAMESPACES)) {
    if (namespaces.some((each) => each.type === type)) continue;
    const words = role.kind === "sandbox" ? ` (${name})` : "";
    throw refused(id, `${whose} for the host's ${type} namespace${words}`);
  }
}
