import { fromBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { OptionsSchema as RuntimeOptionsSchema } from "../../common/protocol/gen/containerd/runtime_options_pb.ts";

/** The names under which engines send a runtime handler's options. Source: containerd and CRI-O, pkg/cri/config. */
const RUNTIME_OPTIONS = new Set(["runtimeoptions.v1.Options", "cri.runtimeoptions.v1.Options"]);

/** Where the engine's options say that the configuration lies; nowhere when they are of another kind. */
export function configPlace(options: Any | undefined): { path?: string; body?: string } {
  const name = options?.typeUrl.replace(/^.*\//, "") ?? "";
  if (!options || !RUNTIME_OPTIONS.has(name)) return {};
  try {
    const { configPath, configBody } = fromBinary(RuntimeOptionsSchema, options.value);
    if (configBody.length > 0) return { body: new TextDecoder().decode(configBody) };
    return configPath === "" ? {} : { path: configPath };
  } catch (cause) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot read the runtime's options: ${messageOf(cause)}`,
    );
  }
}
