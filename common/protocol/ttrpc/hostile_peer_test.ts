import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Code, RuntimeError } from "../../base/errors.ts";
import { HealthCheckResponse_ServingStatus } from "../gen/kata/health_pb.ts";
import { pollIdle } from "../../linux/poll.ts";
import { connectedPair, turn } from "../testing/connections.ts";
import { failure, frameOf, rawRequest, serveRaw } from "../testing/ttrpc_peers.ts";
import { TtrpcClient } from "./client.ts";
import { requestPrefix } from "./envelope.ts";
import {
  encodeFrame,
  Flag,
  FrameType,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  writeHeader,
} from "./frame.ts";

const SERVING = HealthCheckResponse_ServingStatus.SERVING;

Deno.test("the server answers DeadlineExceeded by itself, and at once when the limit is negative", async () => {
  await using wire = serveRaw({ check: () => new Promise(() => {}) });
  await wire.send(rawRequest(1, 5_000_000n), rawRequest(3, -1n));
  const replies = await wire.replies(2);
  assertEquals(replies.map(({ streamId, code }) => [streamId, code]), [[3, Code.DeadlineExceeded], [
    1,
    Code.DeadlineExceeded,
  ]]);
});

Deno.test("a request over 4 MiB is skipped and answered ResourceExhausted", async () => {
  await using wire = serveRaw({ check: () => Promise.resolve({}) });
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, MAX_PAYLOAD_BYTES + 1, 1, FrameType.Request, 0);
  await wire.send(header, new Uint8Array(MAX_PAYLOAD_BYTES + 1), rawRequest(3));
  assertEquals((await wire.replies(2)).map(({ streamId, code }) => [streamId, code]), [[
    1,
    Code.ResourceExhausted,
  ], [3, 0]]);
});

Deno.test("even, repeated and falling stream ids are InvalidArgument; unknown types are ignored", async () => {
  await using wire = serveRaw({ check: () => Promise.resolve({}) });
  const unknown = encodeFrame({ streamId: 5, type: 77, flags: 0, payload: Uint8Array.of(1, 2, 3) });
  const data = encodeFrame({
    streamId: 9,
    type: FrameType.Data,
    flags: Flag.RemoteClosed,
    payload: new Uint8Array(),
  });
  await wire.send(
    rawRequest(2),
    rawRequest(7),
    rawRequest(7),
    rawRequest(5),
    unknown,
    data,
    rawRequest(9),
  );
  const codes = (await wire.replies(6)).map(({ streamId, code }) => `${streamId}:${code}`);
  assertEquals(codes.sort(), ["2:3", "5:3", "7:0", "7:3", "9:0", "9:3"]);
});

Deno.test("a peer that never reads is read from no more, and memory stays bounded", async () => {
  let calls = 0;
  const answer = { grpcVersion: "x".repeat(64 * 1024) };
  await using wire = serveRaw({ version: () => (calls++, Promise.resolve(answer)) }, {
    maxQueuedBytes: 1024 * 1024,
  });
  const request = requestPrefix("grpc.Health", "Version");
  const sent = (async () => {
    for (let i = 0; i < 2000; i++) await wire.send(frameOf(2 * i + 1, request, 1000));
  })();
  await turn(200);
  assert(calls < 500, `${calls} calls were served for a peer that reads nothing`);
  await wire.replies(2000);
  await sent;
  assertEquals(calls, 2000);
});

Deno.test("10,000 requests are answered though the caller reads later", async () => {
  await using wire = serveRaw({ check: () => Promise.resolve({ status: SERVING }) });
  const sending = wire.send(...Array.from({ length: 10_000 }, (_, i) => rawRequest(2 * i + 1)));
  const replies = await wire.replies(10_000);
  await sending;
  assertEquals(new Set(replies.map((reply) => reply.streamId)).size, 10_000);
});

Deno.test("calls to a server that does not read wait, bounded, and keep their deadlines", async () => {
  const [near, far] = connectedPair();
  using client = new TtrpcClient(near);
  const payload = new Uint8Array(1024 * 1024);
  const calls = Array.from(
    { length: 100 },
    () => failure(client.call("s", "m", payload, { timeoutMs: 50 })),
  );
  assertEquals(
    new Set((await Promise.all(calls)).map((error) => error.code)),
    new Set([Code.DeadlineExceeded]),
  );
  far.close();
  client.close();
  await pollIdle();
});

Deno.test("hostile answers fail one call or the connection, and never throw elsewhere", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.boolean(), async (bytes, framed) => {
      const [near, far] = connectedPair();
      using client = new TtrpcClient(near);
      const call = client.call("s", "m", new Uint8Array(), { timeoutMs: 1000 }).then(
        () => "answered",
        (error) => error,
      );
      await far.write(
        framed
          ? encodeFrame({ streamId: 1, type: FrameType.Response, flags: 0, payload: bytes })
          : bytes,
      );
      far.close();
      const outcome = await call;
      assert(outcome === "answered" || outcome instanceof RuntimeError);
      await client.closed;
    }),
    { numRuns: 100 },
  );
  await pollIdle();
});

Deno.test("hostile requests never end the server", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await using wire = serveRaw({ check: () => Promise.resolve({}) });
      const frame = encodeFrame({ streamId: 1, type: FrameType.Request, flags: 0, payload: bytes });
      await wire.send(frame, rawRequest(3));
      assertEquals((await wire.replies(2)).at(-1)?.streamId, 3);
    }),
    { numRuns: 100 },
  );
  await pollIdle();
});
