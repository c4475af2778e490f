import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { HEADROOM_BYTES } from "../connection.ts";
import { connectedPair, turn } from "../../testing/connections.ts";
import { encodeFrame, Flag, FrameType, INITIAL_WINDOW_BYTES, YamuxError } from "./frame.ts";
import { Ring } from "./ring.ts";
import { pump, YamuxSession } from "./session.ts";
import { type YamuxStream } from "./stream.ts";

Deno.test("Ring gives back what it was given, in order", () => {
  const step = fc.oneof(fc.uint8Array({ maxLength: 9000 }), fc.nat({ max: 9000 }));
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const ring = new Ring(), model: number[] = [];
    for (const step of steps) {
      if (typeof step !== "number") {
        ring.push(step);
        model.push(...step);
      } else {
        const into = new Uint8Array(step);
        const count = ring.shift(into);
        assertEquals([...into.subarray(0, count)], model.splice(0, step));
      }
      assertEquals(ring.length, model.length);
    }
  }));
});

Deno.test("a session survives or ends on any bytes, and never throws", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (parts) => {
      const session = new YamuxSession(sink(), { onStream: () => {} });
      for (const part of parts) session.receive(part);
      session.end();
    }),
    { numRuns: 500 },
  );
});

Deno.test("well-formed frames in any order never throw either", () => {
  const frame = fc.record({
    type: fc.nat({ max: 3 }),
    flags: fc.nat({ max: 15 }),
    streamId: fc.nat({ max: 6 }),
    payload: fc.uint8Array({ maxLength: 50 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 30 }), (frames) => {
      const session = new YamuxSession(sink(), { onStream: () => {} });
      for (const { payload, ...header } of frames) {
        const isData = header.type === FrameType.Data;
        session.receive(
          encodeFrame({ ...header, length: payload.length }, isData ? payload : undefined),
        );
      }
      session.end();
    }),
    { numRuns: 500 },
  );
});

Deno.test("a stream past the limit is reset, the others stay", async () => {
  await using peers = connect({ limits: { maxStreams: 2 } });
  const streams = [1, 2, 3].map(() => peers.dialing.open());
  const last = streams.at(-1);
  await assertRejects(
    () => Promise.resolve(last?.read(new Uint8Array(1))),
    Deno.errors.ConnectionReset,
  );
  await streams[0]?.write(Uint8Array.of(7));
  const into = new Uint8Array(1);
  await peers.accepted[0]?.read(into);
  assertEquals(into[0], 7);
});

Deno.test("a peer that sends past its window ends the session", async () => {
  const session = new YamuxSession(sink(), { onStream: () => {} });
  session.receive(
    encodeFrame({ type: FrameType.WindowUpdate, flags: Flag.Syn, streamId: 1, length: 0 }),
  );
  const chunk = new Uint8Array(INITIAL_WINDOW_BYTES + 1);
  session.receive(
    encodeFrame({ type: FrameType.Data, flags: 0, streamId: 1, length: chunk.length }, chunk),
  );
  assert(await session.closed instanceof YamuxError);
});

Deno.test("bytes kept over all streams are bounded: the stream that exceeds them is reset", () => {
  let opened: YamuxStream | undefined;
  const session = new YamuxSession(sink(), {
    onStream: (stream) => opened = stream,
    limits: { maxKeptBytes: 1000 },
  });
  session.receive(
    encodeFrame({ type: FrameType.WindowUpdate, flags: Flag.Syn, streamId: 1, length: 0 }),
  );
  const chunk = new Uint8Array(1001);
  session.receive(
    encodeFrame({ type: FrameType.Data, flags: 0, streamId: 1, length: chunk.length }, chunk),
  );
  const { promise } = { promise: opened?.read(new Uint8Array(1)) ?? Promise.resolve(null) };
  session.end();
  return assertRejects(() => promise, Deno.errors.ConnectionReset).then(() => {});
});

Deno.test("a peer that asks for answers and reads none ends its session", async () => {
  const stuck = { write: (): Promise<number> => new Promise(() => {}) };
  const session = new YamuxSession(stuck, { onStream: () => {} });
  const ping = encodeFrame({ type: FrameType.Ping, flags: Flag.Syn, streamId: 0, length: 1 });
  for (let i = 0; i < 400_000; i++) session.receive(ping);
  assert(await session.closed instanceof YamuxError);
});

Deno.test("streams take turns: a short message is not kept behind a long one", async () => {
  await using peers = connect();
  const long = peers.dialing.open(), short = peers.dialing.open();
  const writing = long.write(new Uint8Array(16 * 1024 * 1024)).catch(() => {});
  await short.write(Uint8Array.of(1));
  while (peers.accepted.length < 2) await turn();
  assertEquals(await peers.accepted[1]?.read(new Uint8Array(1)), 1);
  await peers[Symbol.asyncDispose]();
  await writing;
});

function sink(): { write(bytes: Uint8Array): Promise<number> } {
  return { write: (bytes) => Promise.resolve(bytes.length) };
}

function connect(options: { limits?: { maxStreams: number } } = {}): AsyncDisposable & {
  readonly dialing: YamuxSession;
  readonly accepted: YamuxStream[];
} {
  const [near, far] = connectedPair();
  const accepted: YamuxStream[] = [];
  const dialing = new YamuxSession(near);
  const accepting = new YamuxSession(far, {
    ...options,
    onStream: (stream) => void accepted.push(stream),
  });
  const pumps = [pump(dialing, near), pump(accepting, far)];
  return {
    dialing,
    accepted,
    async [Symbol.asyncDispose]() {
      dialing.end();
      await Promise.all(pumps);
    },
  };
}

Deno.test("writeInPlace sends what follows the headroom, whole and in order, through small windows", async () => {
  await using peers = connect();
  const stream = peers.dialing.open();
  const bytes = Uint8Array.from({ length: 2_000_000 }, (_, at) => at % 251);
  const buffer = new Uint8Array(HEADROOM_BYTES + bytes.length);
  buffer.set(bytes, HEADROOM_BYTES);
  const writing = stream.writeInPlace(buffer).then(() => stream.closeWrite());
  while (peers.accepted.length === 0) await turn();
  const into = new Uint8Array(100_000);
  let at = 0;
  for (let count; (count = await peers.accepted[0]?.read(into) ?? null) !== null; at += count) {
    assertEquals(into.subarray(0, count), bytes.subarray(at, at + count));
  }
  assertEquals(at, bytes.length);
  await writing;
});

Deno.test("writeInPlace gives its buffer back when the session ends", async () => {
  const stuck = { write: (): Promise<number> => new Promise(() => {}) };
  const session = new YamuxSession(stuck);
  const writing = session.open().writeInPlace(new Uint8Array(100_000));
  await turn();
  session.end();
  await assertRejects(() => writing, Deno.errors.ConnectionReset);
});

Deno.test("windows grow only while the session can keep what it promises", () => {
  const streams: YamuxStream[] = [];
  const session = new YamuxSession(sink(), { onStream: (stream) => void streams.push(stream) });
  let granted = 0;
  for (let id = 1; id <= 2047; id += 2) {
    session.receive(
      encodeFrame({ type: FrameType.WindowUpdate, flags: Flag.Syn, streamId: id, length: 0 }),
    );
    while (session.grow(INITIAL_WINDOW_BYTES)) granted += INITIAL_WINDOW_BYTES;
    const chunk = new Uint8Array(INITIAL_WINDOW_BYTES);
    session.receive(
      encodeFrame({ type: FrameType.Data, flags: 0, streamId: id, length: chunk.length }, chunk),
    );
  }
  assertEquals(streams.length, 1024);
  assert(granted > 0);
  assert(session.keep(granted), "what was promised cannot be kept");
  session.end();
});
