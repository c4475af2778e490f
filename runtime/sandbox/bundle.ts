import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";

/** The longest config.json that is read, in bytes. Privileged pods with many devices need about 200 kB. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** A value out of JSON. */
export type Json = null | boolean | number | string | Json[] | {
  [key: string]: Json;
};
export type JsonObject = { [key: string]: Json };

/** The parts of an OCI config.json that the host looks into; the rest travels as it is. */
export interface BundleConfig {
  /** The whole document. */
  readonly json: JsonObject;
  readonly annotations: Readonly<Record<string, string>>;
  /** `root.path`, absolute. */
  readonly rootPath: string;
  readonly rootReadonly: boolean;
  readonly terminal: boolean;
  readonly hostname: string;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectAt(parent: JsonObject, key: string, path: string): JsonObject {
  const value = parent[key] ?? {};
  if (!isObject(value)) throw invalid(path, `"${key}" is not an object`);
  return value;
}

function invalid(path: string, why: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `Cannot use bundle configuration "${path}": ${why}`,
  );
}

function parseAnnotations(
  json: JsonObject,
  path: string,
): Record<string, string> {
  const annotations = objectAt(json, "annotations", path);
  for (const [key, value] of Object.entries(annotations)) {
    if (typeof value !== "string") {
      throw invalid(path, `annotation "${key}" is not a string`);
    }
  }
  return annotations as Record<string, string>;
}

function parseRootPath(root: JsonObject, bundle: string, path: string): string {
  const given = root.path;
  if (typeof given !== "string" || given === "") {
    throw invalid(path, `"root.path" is missing`);
  }
  return given.startsWith("/") ? given : `${bundle}/${given}`;
}

/**
 * Reads what the host needs of a bundle.
 * @param bundle Absolute path of the folder that holds config.json.
 * @throws {RuntimeError} InvalidArgument or NotFound, naming the file.
 */
export function parseBundle(text: string, bundle: string): BundleConfig {
  const path = `${bundle}/config.json`;
  let json: Json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(path, messageOf(error));
  }
  if (!isObject(json)) throw invalid(path, "it is not a JSON object");
  if (typeof json.ociVersion !== "string") {
    throw invalid(path, `"ociVersion" is missing`);
  }
  const root = objectAt(json, "root", path);
  return {
    json,
    annotations: parseAnnotations(json, path),
    rootPath: parseRootPath(root, bundle, path),
    rootReadonly: root.readonly === true,
    terminal: objectAt(json, "process", path).terminal === true,
    hostname: typeof json.hostname === "string" ? json.hostname : "",
  };
}

/** The namespaces that a configuration asks for, each with the path of the one to join, if any. */
export function namespacesOf(json: JsonObject): { type: string; path: string }[] {
  const linux = isObject(json.linux) ? json.linux : {};
  const list = Array.isArray(linux.namespaces) ? linux.namespaces.filter(isObject) : [];
  return list.map(({ type, path }) => ({
    type: typeof type === "string" ? type : "",
    path: typeof path === "string" ? path : "",
  }));
}

/** The path of the network namespace that the engine made for the pod, if it did. */
export function networkNamespaceOf(json: JsonObject): string | undefined {
  return namespacesOf(json).find(({ type }) => type === "network")?.path || undefined;
}

/** {@linkcode parseBundle} on the bundle's file. */
export async function readBundle(bundle: string): Promise<BundleConfig> {
  const path = `${bundle}/config.json`;
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_CONFIG_BYTES) {
      throw invalid(path, `${size} bytes are too many`);
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    const code = error instanceof Deno.errors.NotFound ? Code.NotFound : Code.Unknown;
    throw new RuntimeError(
      code,
      `Cannot read bundle configuration "${path}": ${messageOf(error)}`,
    );
  }
  return parseBundle(text, bundle);
}
