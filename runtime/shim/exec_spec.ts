import { type Process, ProcessSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import type { ExecProcessRequest } from "../../common/protocol/gen/containerd/task_pb.ts";
import type { TerminalSize } from "../sandbox/process_io.ts";
import { messageFromOci } from "../sandbox/spec_message.ts";
import { decodeJsonObject } from "./any.ts";

/**
 * The process that an Exec request describes: JSON of the OCI specification's `process`. Whether it has a terminal
 * is the request's word, as its streams are made accordingly.
 * @throws {RuntimeError} InvalidArgument.
 */
export function decodeExecSpec(request: ExecProcessRequest): Process {
  const json = decodeJsonObject(
    request.spec?.value,
    `the specification of exec "${request.execId}"`,
  );
  return messageFromOci(ProcessSchema, { ...json, terminal: request.terminal });
}

/** The process with its terminal's size, when one was set before the start. */
export function withTerminalSize(spec: Process, size: TerminalSize | undefined): Process {
  if (size === undefined) return spec;
  const box = { Height: size.rows, Width: size.columns };
  return { ...spec, ConsoleSize: { $typeName: "grpc.Box", ...box } };
}
