import {
  create,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { Json, JsonObject } from "./bundle.ts";
import { isObject } from "./bundle.ts";

/**
 * Names in the OCI specification that do not follow from the message's own.
 * Source: runtime-spec config.md and config-linux.md.
 */
const OCI_NAMES: Readonly<Record<string, string>> = {
  "grpc.Spec.Version": "ociVersion",
  "grpc.LinuxHugepageLimit.Pagesize": "pageSize",
  "grpc.LinuxSyscall.errnoret": "errnoRet",
};

/** `UIDMappings` is `uidMappings`, `CPU` is `cpu`: a leading run of capitals ends before the next word. */
function lowerFirstWord(name: string): string {
  return name.replace(
    /^([A-Z]+)(?=[A-Z][a-z])|^([A-Z]+)/,
    (run) => run.toLowerCase(),
  );
}

/** The key under which the OCI specification has this field. */
export function ociName(field: DescField): string {
  return OCI_NAMES[`${field.parent.typeName}.${field.name}`] ??
    lowerFirstWord(field.name);
}

function mismatch(path: string, wanted: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `Cannot use the container's configuration: ${path} is not ${wanted}`,
  );
}

const INTEGERS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.INT32,
  ScalarType.UINT32,
]);
const LONG: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
]);

function scalar(
  type: ScalarType,
  value: Json,
  path: string,
): string | boolean | number | bigint {
  if (type === ScalarType.STRING) {
    if (typeof value !== "string") throw mismatch(path, "a string");
    return value;
  }
  if (type === ScalarType.BOOL) {
    if (typeof value !== "boolean") throw mismatch(path, "true or false");
    return value;
  }
  if (
    !INTEGERS.has(type) || typeof value !== "number" || !Number.isInteger(value)
  ) {
    throw mismatch(path, "a whole number");
  }
  return LONG.has(type) ? clampLong(type, value) : checkInt(type, value, path);
}

/** JSON numbers beyond 2^53 arrive rounded: the largest (RLIM_INFINITY and its like) rounds past the type. */
function clampLong(type: ScalarType, value: number): bigint {
  const bits = BigInt(value);
  return type === ScalarType.UINT64
    ? (bits < 0n ? BigInt.asUintN(64, bits) : bits > 2n ** 64n - 1n ? 2n ** 64n - 1n : bits)
    : (bits > 2n ** 63n - 1n ? 2n ** 63n - 1n : bits < -(2n ** 63n) ? -(2n ** 63n) : bits);
}

function checkInt(type: ScalarType, value: number, path: string): number {
  const [low, high] = type === ScalarType.UINT32 ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  if (value < low || value > high) {
    throw mismatch(path, `between ${low} and ${high}`);
  }
  return value;
}

function fillMap(
  message: ReflectMessage,
  field: DescField & { fieldKind: "map" },
  value: Json,
  path: string,
): void {
  if (!isObject(value)) throw mismatch(path, "an object");
  const map = message.get(field);
  for (const [key, text] of Object.entries(value)) {
    if (field.mapKind !== "scalar") {
      throw mismatch(path, "a map of plain values");
    }
    map.set(key, scalar(field.scalar, text, `${path}.${key}`));
  }
}

function fillList(
  message: ReflectMessage,
  field: DescField & { fieldKind: "list" },
  value: Json,
  path: string,
): void {
  if (!Array.isArray(value)) throw mismatch(path, "a list");
  const list = message.get(field);
  value.forEach((item, index) => {
    const at = `${path}[${index}]`;
    if (field.listKind === "message") {
      list.add(reflect(field.message, convert(field.message, item, at)));
    } else if (field.listKind === "scalar") {
      list.add(scalar(field.scalar, item, at));
    }
  });
}

function fillField(
  message: ReflectMessage,
  field: DescField,
  value: Json,
  path: string,
): void {
  switch (field.fieldKind) {
    case "message":
      return message.set(
        field,
        reflect(field.message, convert(field.message, value, path)),
      );
    case "list":
      return fillList(message, field, value, path);
    case "map":
      return fillMap(message, field, value, path);
    case "scalar":
      return message.set(field, scalar(field.scalar, value, path));
    case "enum":
      throw mismatch(path, "of a known type");
  }
}

function convert<D extends DescMessage>(
  schema: D,
  json: Json,
  path: string,
): MessageShape<D> {
  if (!isObject(json)) throw mismatch(path, "an object");
  const shape = create(schema);
  const message = reflect(schema, shape);
  for (const field of schema.fields) {
    const name = ociName(field);
    const value = json[name];
    if (value === undefined || value === null) continue;
    fillField(message, field, value, path === "" ? name : `${path}.${name}`);
  }
  return shape;
}

/**
 * Turns a piece of an OCI document into the agent protocol's message of the same shape.
 * Keys that the protocol has no field for are dropped: the guest could not honour them.
 * @throws {RuntimeError} InvalidArgument, naming the key whose value has the wrong type.
 */
export function messageFromOci<D extends DescMessage>(
  schema: D,
  json: JsonObject,
): MessageShape<D> {
  return convert(schema, json, "");
}
