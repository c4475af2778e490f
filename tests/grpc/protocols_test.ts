/** The agent's services by ttrpc and by gRPC, on one port: every method answers alike. */
import { assert, assertEquals } from "@std/assert";
import {
  create,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import { ProtocolServer } from "../../agent/server/protocols.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { GrpcCaller } from "../../common/protocol/grpc/caller.ts";
import { anyMessage } from "../../common/protocol/testing/any_message.ts";
import { connectedPair } from "../../common/protocol/testing/connections.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Caller, Routes, type ServiceImpl } from "../../common/protocol/ttrpc/service.ts";

const SERVICE = AgentService.typeName;
const SEED = 7;
const TOO_LONG = 4 * 1024 * 1024 + 1;
/** No message: a field without an end. */
const NOISE = Uint8Array.of(0xff, 0xff, 0xff);

/** Answers with more than a message may have. */
function getMetrics(): Promise<{ metrics: string }> {
  return Promise.resolve({ metrics: "x".repeat(TOO_LONG) });
}

function sample(method: DescMethod, side: "input" | "output"): Message {
  return fc.sample(anyMessage(method[side]), { numRuns: 1, seed: SEED })[0] ?? create(method[side]);
}

/** Answers each method with a message of its own, once the request came whole. */
function answers(): ServiceImpl<typeof AgentService> {
  return Object.fromEntries(AgentService.methods.map((method) => {
    const expected = toBinary(method.input, sample(method, "input"));
    const handle = (request: Message): Promise<MessageInitShape<typeof method.output>> => {
      assertEquals(toBinary(method.input, request), expected, method.name);
      return Promise.resolve(sample(method, "output"));
    };
    return [method.localName, handle];
  }));
}

/** Fails each method with one of the codes. */
function failures(): ServiceImpl<typeof AgentService> {
  const codes = Object.values(Code);
  return Object.fromEntries(AgentService.methods.map(({ localName }, at) => [
    localName,
    () => {
      const code = codes[at % codes.length] ?? Code.Unknown;
      return Promise.reject(new RuntimeError(code, `no: ${localName} "é" 50%`));
    },
  ]));
}

/** Runs `work` over both protocols, against one server. */
async function overBoth(
  impl: ServiceImpl<typeof AgentService>,
  work: (caller: Caller, protocol: string) => Promise<void>,
): Promise<void> {
  const server = new ProtocolServer(new Routes().add(AgentService, impl));
  for (const protocol of ["ttrpc", "grpc"]) {
    const [near, far] = connectedPair();
    const over = new AbortController();
    const served = server.serve(far, over.signal);
    {
      using client = protocol === "grpc" ? new GrpcCaller(near) : closing(new TtrpcClient(near));
      await work(client, protocol);
    }
    over.abort();
    await served;
  }
}

function closing(client: TtrpcClient): Caller & Disposable {
  return {
    call: client.call.bind(client),
    [Symbol.dispose]: () => client.close(),
  };
}

async function failureOf(call: Promise<unknown>): Promise<RuntimeError> {
  try {
    await call;
  } catch (error) {
    assert(error instanceof RuntimeError, String(error));
    return error;
  }
  throw new Error("The call did not fail");
}

function test(name: string, fn: () => Promise<void>): void {
  // The one epoll loop and HTTP/2's own timers outlive a test.
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("every method of the agent answers alike over both", () =>
  overBoth(answers(), async (caller, protocol) => {
    for (const method of AgentService.methods) {
      const payload = toBinary(method.input, sample(method, "input"));
      const answer = await caller.call(SERVICE, method.name, payload, { timeoutMs: 10_000 });
      const wanted = toBinary(method.output, sample(method, "output"));
      assertEquals(toBinary(method.output, fromBinary(method.output, answer)), wanted, protocol);
    }
  }));

test("every method of the agent fails alike over both, with code and words", () =>
  overBoth(failures(), async (caller) => {
    const codes = Object.values(Code);
    for (const [at, method] of AgentService.methods.entries()) {
      const call = caller.call(SERVICE, method.name, new Uint8Array(), { timeoutMs: 10_000 });
      const { code, message } = await failureOf(call);
      assertEquals(code, codes[at % codes.length]);
      assert(message.includes(`no: ${method.localName} "é" 50%`), message);
    }
  }));

test("a request of the wrong type has the same code over both, whatever the method", () =>
  overBoth(answers(), async (caller, protocol) => {
    for (const { name } of AgentService.methods) {
      const call = caller.call(SERVICE, name, NOISE, { timeoutMs: 10_000 });
      assertEquals((await failureOf(call)).code, Code.InvalidArgument, `${protocol} ${name}`);
    }
  }));

test("what nobody serves, and what is too long, has the same code over both", () =>
  overBoth({ ...answers(), getMetrics }, async (caller, protocol) => {
    const call = (service: string, method: string, bytes = 0): Promise<RuntimeError> =>
      failureOf(caller.call(service, method, new Uint8Array(bytes), { timeoutMs: 10_000 }));
    assertEquals((await call(SERVICE, "MakeCoffee")).code, Code.Unimplemented, protocol);
    assertEquals((await call("grpc.Kitchen", "MakeCoffee")).code, Code.Unimplemented, protocol);
    const request = await call(SERVICE, "CreateContainer", TOO_LONG);
    assertEquals(request.code, Code.ResourceExhausted, protocol);
    const response = await call(SERVICE, "GetMetrics");
    assertEquals(response.code, Code.ResourceExhausted, `${protocol}: ${response.message}`);
  }));

test("a call's deadline ends it over both, and the handler hears of it", async () => {
  const heard: unknown[] = [];
  await overBoth({
    waitProcess: (_request, { signal }) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => {
        heard.push(signal.reason);
        reject(signal.reason);
      });
      return promise;
    },
  }, async (caller) => {
    const call = caller.call(SERVICE, "WaitProcess", new Uint8Array(), { timeoutMs: 100 });
    assertEquals((await failureOf(call)).code, Code.DeadlineExceeded);
  });
  assertEquals(heard.length, 2);
});
