import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { RuntimeInfoSchema } from "../../common/protocol/gen/containerd/runtime_info_pb.ts";
import { VERSION } from "../../common/base/version.ts";
import { runtimeFeatures } from "./features.ts";

/** The runtime's name as containerd knows it. */
export const RUNTIME_NAME = "io.containerd.kata.v2";

/** The name under which Go programs know the features document. Source: containerd's typeurl registrations. */
const FEATURES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

/** What `-info` prints: an encoded RuntimeInfo. Source: containerd api/types/introspection.proto. */
export function runtimeInfo(): Uint8Array {
  const value = new TextEncoder().encode(JSON.stringify(runtimeFeatures()));
  const features = create(AnySchema, { typeUrl: FEATURES_TYPE, value });
  const info = { name: RUNTIME_NAME, version: { version: VERSION }, features };
  return toBinary(RuntimeInfoSchema, create(RuntimeInfoSchema, info));
}
