import type { CreateTaskRequest } from "../../common/protocol/gen/containerd/task_pb.ts";
import { loadConfig, type RuntimeConfig } from "../config/load.ts";
import { configPlace } from "./config_place.ts";

/** The configuration for a sandbox: what the engine's options name, otherwise the node's. */
export function configFor(request: CreateTaskRequest): RuntimeConfig {
  return loadConfig(configPlace(request.options));
}
