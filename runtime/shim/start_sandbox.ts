import { log } from "../../common/base/log.ts";
import type { CreateTaskRequest } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { RuntimeConfig } from "../config/load.ts";
import type { BundleConfig } from "../sandbox/bundle.ts";
import { sandboxIdentity } from "../sandbox/identity.ts";
import type { PodRole } from "../sandbox/pod.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { shimCgroup } from "./runc_options.ts";
import type { TaskHostOptions } from "./task_host.ts";

const CONFIG_ANNOTATION = "io.katacontainers.config.";

/** The configuration as the pod's annotations change it, where the administrator lets them. */
async function applyAnnotations(
  config: RuntimeConfig,
  annotations: Readonly<Record<string, string>>,
): Promise<RuntimeConfig> {
  if (!Object.keys(annotations).some((name) => name.startsWith(CONFIG_ANNOTATION))) return config;
  const { applyAnnotations } = await import("../config/annotations.ts");
  return applyAnnotations(config, annotations);
}

/**
 * Starts the sandbox that a container of its own or a pod's first container needs.
 * @throws {RuntimeError} A fault in configuration or annotations, by name; or the VM does not start.
 */
export async function startSandbox(
  { address, namespace, timeline, loadConfig, spare }: TaskHostOptions,
  request: CreateTaskRequest,
  role: PodRole,
  bundle: BundleConfig,
  signal: AbortSignal,
): Promise<Sandbox> {
  const { config, mayBuildTemplate } = await timeline.step("load configuration", async () => {
    const own = loadConfig(request);
    const config = await applyAnnotations(own, bundle.annotations);
    return { config, mayBuildTemplate: config === own };
  });
  for (const warning of config.warnings) log.warn("Configuration", { warning });
  const identity = await sandboxIdentity(address, namespace, role.sandboxId);
  const { hostname } = bundle, ownCgroup = shimCgroup(request.options) === "";
  return await Sandbox.start(
    { identity, config, hostname, bundle, ownCgroup, timeline, mayBuildTemplate, spare },
    signal,
  );
}
