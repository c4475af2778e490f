import { fromBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { OptionsSchema } from "../../common/protocol/gen/containerd/runc_options_pb.ts";

/**
 * The cgroup in which the engine wants the shim, where the runtime handler's options are runc's and name one.
 * @returns Empty where they do not, or cannot be read.
 */
export function shimCgroup(options: Any | undefined): string {
  const name = options?.typeUrl.replace(/^.*\//, "");
  if (!options || name !== OptionsSchema.typeName) return "";
  try {
    return fromBinary(OptionsSchema, options.value).shimCgroup;
  } catch {
    return ""; // not that message: options must not fail a start
  }
}
