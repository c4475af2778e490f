import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { isObject, type Json, type JsonObject } from "../sandbox/bundle.ts";

/** Packs a message as containerd does: the type's bare name, without googleapis' prefix. */
export function packAny<D extends DescMessage>(schema: D, message: MessageShape<D>): Any {
  return create(AnySchema, { typeUrl: schema.typeName, value: toBinary(schema, message) });
}

/**
 * A JSON object out of an Any's value: engines send parts of OCI documents so.
 * @param what Names it in the error.
 * @throws {RuntimeError} InvalidArgument.
 */
export function decodeJsonObject(bytes: Uint8Array | undefined, what: string): JsonObject {
  let json: Json;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new RuntimeError(Code.InvalidArgument, `Cannot use ${what}: ${messageOf(error)}`);
  }
  if (isObject(json)) return json;
  throw new RuntimeError(Code.InvalidArgument, `Cannot use ${what}: it is not a JSON object`);
}
