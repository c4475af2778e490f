import { assert, assertEquals } from "@std/assert";
import { Code, RuntimeError } from "../../base/errors.ts";
import { HealthCheckResponse_ServingStatus } from "../gen/kata/health_pb.ts";
import { turn } from "../testing/connections.ts";
import { connect, failure, hang } from "../testing/ttrpc_peers.ts";
import { MAX_PAYLOAD_BYTES } from "./frame.ts";
import { type CallContext } from "./service.ts";

const SERVING = HealthCheckResponse_ServingStatus.SERVING;

Deno.test("a call carries the request there and the response back", async () => {
  await using peers = connect({
    version: (request) => Promise.resolve({ grpcVersion: `1-${request.service}` }),
  });
  assertEquals((await peers.health.version({ service: "x" })).grpcVersion, "1-x");
});

Deno.test("calls are served at the same time, and answers find their callers", async () => {
  const waiting: Array<() => void> = [];
  await using peers = connect({
    version: async (request) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { grpcVersion: request.service };
    },
  });
  const calls = Array.from({ length: 100 }, (_, i) => peers.health.version({ service: `${i}` }));
  while (waiting.length < 100) await turn();
  for (const finish of waiting.reverse()) finish();
  assertEquals(
    (await Promise.all(calls)).map((reply) => reply.grpcVersion),
    Array.from({ length: 100 }, (_, i) => `${i}`),
  );
});

Deno.test("a handler's error arrives with code and text, without control characters", async () => {
  await using peers = connect({
    check: () => Promise.reject(new RuntimeError(Code.NotFound, "no\u001b[31m such\nthing")),
  });
  const error = await failure(peers.health.check({}));
  assertEquals([error.code, error.message], [Code.NotFound, "no [31m such thing"]);
});

Deno.test("unknown methods and services are Unimplemented", async () => {
  await using peers = connect({});
  assertEquals((await failure(peers.health.check({}))).code, Code.Unimplemented);
  assertEquals(
    (await failure(peers.client.call("no.Such", "Check", new Uint8Array()))).code,
    Code.Unimplemented,
  );
});

Deno.test("a service answers to its aliases", async () => {
  await using peers = connect({ check: () => Promise.resolve({ status: SERVING }) });
  assert((await peers.client.call("other.Health", "Check", new Uint8Array())).length > 0);
});

Deno.test("a request that is not the method's message is InvalidArgument", async () => {
  await using peers = connect({ check: () => Promise.resolve({}) });
  assertEquals(
    (await failure(peers.client.call("grpc.Health", "Check", Uint8Array.of(0xff)))).code,
    Code.InvalidArgument,
  );
});

Deno.test("metadata and time limit reach the handler", async () => {
  let seen: CallContext | undefined;
  await using peers = connect({ check: (_, context) => (seen = context, Promise.resolve({})) });
  await peers.health.check({}, {
    metadata: { "containerd-namespace-ttrpc": "k8s.io" },
    timeoutMs: 1500,
  });
  assertEquals(seen?.metadata.get("containerd-namespace-ttrpc"), ["k8s.io"]);
  assertEquals(seen?.timeoutMs, 1500);
});

Deno.test("a deadline fails the call at the caller and aborts the handler's signal", async () => {
  const aborted = Promise.withResolvers<unknown>();
  await using peers = connect({ check: (_, { signal }) => hang(signal, aborted.resolve) });
  assertEquals(
    (await failure(peers.health.check({}, { timeoutMs: 20 }))).code,
    Code.DeadlineExceeded,
  );
  assert(await aborted.promise instanceof RuntimeError);
});

Deno.test("an aborted call rejects with Canceled, and its late reply is dropped", async () => {
  const finish = Promise.withResolvers<void>();
  await using peers = connect({
    check: () => finish.promise.then(() => ({ status: SERVING })),
    version: () => Promise.resolve({ grpcVersion: "after" }),
  });
  const controller = new AbortController();
  const call = failure(peers.health.check({}, { signal: controller.signal }));
  controller.abort();
  assertEquals((await call).code, Code.Canceled);
  finish.resolve();
  await turn(5);
  assertEquals((await peers.health.version({})).grpcVersion, "after");
});

Deno.test("a signal that is aborted already, or a limit of 0, sends nothing", async () => {
  await using peers = connect({ check: () => Promise.resolve({}) });
  assertEquals(
    (await failure(peers.health.check({}, { signal: AbortSignal.abort() }))).code,
    Code.Canceled,
  );
  assertEquals(
    (await failure(peers.health.check({}, { timeoutMs: 0 }))).code,
    Code.DeadlineExceeded,
  );
});

Deno.test("when the server's side dies all pending calls reject with Unavailable", async () => {
  await using peers = connect({ check: () => new Promise(() => {}) });
  const calls = Array.from({ length: 50 }, () => failure(peers.health.check({})));
  await turn(5);
  peers.serverEnd.close();
  assertEquals(
    new Set((await Promise.all(calls)).map((error) => error.code)),
    new Set([Code.Unavailable]),
  );
  assertEquals(await peers.client.closed, undefined);
  assertEquals((await failure(peers.health.check({}))).code, Code.Unavailable);
});

Deno.test("when the client leaves, handlers' signals abort and serve ends", async () => {
  const aborted = Promise.withResolvers<unknown>();
  await using peers = connect({ check: (_, { signal }) => hang(signal, aborted.resolve) });
  const call = failure(peers.health.check({}));
  await turn(5);
  peers.client.close();
  assertEquals((await call).code, Code.Unavailable);
  await aborted.promise;
  assertEquals(await peers.served, undefined);
});

Deno.test("serve sends the answers at hand before it stops", async () => {
  const stop = new AbortController();
  await using peers = connect(
    { check: () => (queueMicrotask(() => stop.abort()), Promise.resolve({ status: SERVING })) },
    {},
    stop.signal,
  );
  assertEquals((await peers.health.check({})).status, SERVING);
  assertEquals(await peers.served, undefined);
});

Deno.test("messages over 4 MiB are ResourceExhausted in both directions, and the connection goes on", async () => {
  await using peers = connect({
    check: () => Promise.resolve({ status: SERVING }),
    version: () => Promise.resolve({ grpcVersion: "x".repeat(MAX_PAYLOAD_BYTES) }),
  });
  assertEquals(
    (await failure(peers.health.check({ service: "x".repeat(MAX_PAYLOAD_BYTES) }))).code,
    Code.ResourceExhausted,
  );
  assertEquals((await failure(peers.health.version({}))).code, Code.ResourceExhausted);
  const large = "x".repeat(MAX_PAYLOAD_BYTES - 100);
  assertEquals((await peers.health.check({ service: large })).status, SERVING);
});

Deno.test("more calls than the limit are refused, so that those behind still get through", async () => {
  await using peers = connect({
    check: () => new Promise(() => {}),
    version: () => Promise.resolve({}),
  }, { maxCalls: 2 });
  const refused = [1, 2, 3].map(() => failure(peers.health.check({}, { timeoutMs: 1000 })));
  assertEquals((await Promise.race(refused)).code, Code.ResourceExhausted);
  peers.client.close();
  await Promise.all(refused);
});
