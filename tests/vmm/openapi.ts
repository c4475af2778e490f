/** Judges requests by a VMM's own OpenAPI description: unknown fields, wrong types and missing fields are errors. */
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import { referencePath } from "../../common/protocol/testing/reference.ts";

/** A piece of a description, as plain data. */
type Node = { [key: string]: unknown };

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function child(node: unknown, ...keys: readonly string[]): unknown {
  let at: unknown = node;
  for (const key of keys) at = isNode(at) ? at[key] : undefined;
  return at;
}

/** Closes every object whose fields are named, so that an unknown one is an error. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (!isNode(value)) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, closed(each)]));
  const names = isNode(copy.properties) && !("additionalProperties" in copy);
  return names ? { ...copy, additionalProperties: false } : copy;
}

/** Where a request's path matches a path with parameters, such as `/drives/{drive_id}`. */
function matches(template: string, path: string): boolean {
  const wanted = template.split("/"), given = path.split("/");
  return wanted.length === given.length &&
    wanted.every((word, at) => word.startsWith("{") ? given[at] !== "" : word === given[at]);
}

/** Why a request is wrong. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

export class OpenApi {
  readonly #document: Node;
  readonly #ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(text: string) {
    const document: unknown = closed(parse(text));
    if (!isNode(document)) throw new Error("The description is no document");
    this.#document = document;
    this.#ajv.addSchema(document, "api");
  }

  /** @param name File of `specs/`. */
  static async read(name: string): Promise<OpenApi> {
    return new OpenApi(await Deno.readTextFile(referencePath(`specs/${name}`)));
  }

  /** @returns Why the VMM would refuse the request, or `undefined`. */
  check(method: string, path: string, body: unknown): Refusal | undefined {
    const paths = child(this.#document, "paths");
    const template = Object.keys(isNode(paths) ? paths : {}).find((each) => matches(each, path));
    const operation = child(paths, template ?? "", method.toLowerCase());
    if (template === undefined || !isNode(operation)) {
      return { status: 404, text: `Invalid request method and/or path: ${method} ${path}` };
    }
    const place = schemaPlace(operation);
    if (place === undefined) {
      return body === undefined ? undefined : { status: 400, text: `${path} takes no body` };
    }
    if (body === undefined) return { status: 400, text: `${path} needs a body` };
    const steps = ["paths", template, method.toLowerCase(), ...place];
    const validate = this.#validator(`api#/${steps.map(pointer).join("/")}`);
    if (validate(body)) return undefined;
    return { status: 400, text: this.#ajv.errorsText(validate.errors, { dataVar: "body" }) };
  }

  #validator(reference: string): ValidateFunction {
    const known = this.#validators.get(reference);
    if (known) return known;
    const validate = this.#ajv.compile({ $ref: reference });
    this.#validators.set(reference, validate);
    return validate;
  }
}

/** Where an operation's body is described: OpenAPI 3 in requestBody, Swagger 2 in a parameter. */
function schemaPlace(operation: Node): string[] | undefined {
  if (child(operation, "requestBody", "content", "application/json", "schema") !== undefined) {
    return ["requestBody", "content", "application/json", "schema"];
  }
  const parameters = Array.isArray(operation.parameters) ? operation.parameters : [];
  const at = parameters.findIndex((each) => child(each, "in") === "body");
  return at < 0 ? undefined : ["parameters", `${at}`, "schema"];
}

/** Source: RFC 6901, in a URI fragment. */
function pointer(key: string): string {
  return encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"));
}
