import {
  type DescMethod,
  fromBinary,
  fromJsonString,
  type Message,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { messageOf } from "../../common/base/errors.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { Health } from "../../common/protocol/gen/kata/health_pb.ts";
import type { Connection } from "../../common/protocol/transport/connection.ts";
import type { Caller } from "../../common/protocol/ttrpc/service.ts";
import { OciError } from "./oci/oci_error.ts";
import { type FlagTable, parseFlags } from "./oci/flags.ts";
import { askSandbox } from "./operator_socket.ts";

const FLAGS: FlagTable = { protocol: { kind: "word" }, timeout: { kind: "word" } };
const METHODS: readonly DescMethod[] = [...AgentService.methods, ...Health.methods];
const DEFAULT_TIMEOUT_MS = 60_000;
/** Longest request that is read from stdin: what a message can hold, written as JSON. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;
/** The command line is wrong. */
const USAGE = 2;

/** A method by its name in the protocol, however it begins. @throws {OciError} */
function methodOf(name: string): DescMethod {
  const method = METHODS.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (method) return method;
  throw new OciError(`The agent has no method "${name}": see kata-runtime agent-ctl`, USAGE);
}

/** @throws {OciError} Not the JSON form of the message. */
function requestOf(method: DescMethod, json: string): Message {
  try {
    return fromJsonString(method.input, json);
  } catch (cause) {
    throw new OciError(`Not a ${method.input.typeName}: ${messageOf(cause)}`, USAGE);
  }
}

async function stdin(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", length = 0;
  for await (const bytes of Deno.stdin.readable) {
    length += bytes.length;
    if (length > MAX_JSON_BYTES) throw new OciError(`Over ${MAX_JSON_BYTES} bytes of JSON`, USAGE);
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

async function callerOver(connection: Connection, protocol: string): Promise<Caller & Disposable> {
  if (protocol === "grpc") {
    const { GrpcCaller } = await import("../../common/protocol/grpc/caller.ts");
    return new GrpcCaller(connection);
  }
  if (protocol !== "ttrpc") throw new OciError(`Unknown protocol "${protocol}"`, USAGE);
  const { TtrpcClient } = await import("../../common/protocol/ttrpc/client.ts");
  const client = new TtrpcClient(connection);
  return { call: client.call.bind(client), [Symbol.dispose]: () => client.close() };
}

function timeoutOf(word: string | undefined): number {
  if (word === undefined) return DEFAULT_TIMEOUT_MS;
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word);
  throw new OciError(`invalid value "${word}" for --timeout: milliseconds`, USAGE);
}

/**
 * `agent-ctl SANDBOX METHOD [JSON]`: one call of the agent. Field names are those of the protocol or in camelCase.
 * @returns The answer as JSON.
 */
export async function agentCtl(args: readonly string[]): Promise<string> {
  const { words, rest: [sandbox, name, json = "{}", surplus] } = parseFlags(FLAGS, args);
  if (sandbox === undefined || name === undefined) {
    return METHODS.map(({ name, input, output }) => `${name} ${input.name} ${output.name}\n`).join(
      "",
    );
  }
  if (surplus !== undefined) {
    throw new OciError("usage: kata-runtime agent-ctl SANDBOX METHOD [JSON|-]", USAGE);
  }
  const method = methodOf(name);
  const request = requestOf(method, json === "-" ? await stdin() : json);
  const timeoutMs = timeoutOf(words.get("timeout")?.at(-1));
  const protocol = words.get("protocol")?.at(-1) ?? "ttrpc";
  using caller = await callerOver(await askSandbox(sandbox, "agent"), protocol);
  const payload = toBinary(method.input, request);
  const bytes = await caller.call(method.parent.typeName, method.name, payload, { timeoutMs });
  return `${toJsonString(method.output, fromBinary(method.output, bytes), { prettySpaces: 2 })}\n`;
}
