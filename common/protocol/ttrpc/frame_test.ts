import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  writeHeader,
} from "./frame.ts";

const FRAME: fc.Arbitrary<Frame> = fc.record({
  streamId: fc.nat({ max: 0xffffffff }),
  type: fc.nat({ max: 255 }),
  flags: fc.nat({ max: 255 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat({ max: 200_000 }).map((n) => new Uint8Array(n).fill(n)),
  ),
});

Deno.test("FrameDecoder yields the frames however their bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(FRAME, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 70_000 })),
      (frames, cuts) => {
        const decoder = new FrameDecoder();
        const decoded = split(join(frames.map(encodeFrame)), cuts).flatMap((part) =>
          decoder.push(part)
        );
        assertEquals(decoded.map(plain), frames.map(plain));
        assertEquals(decoder.midFrame, false);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("FrameDecoder never throws, whatever the bytes, and keeps no more than one frame", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (parts) => {
    const decoder = new FrameDecoder();
    for (const part of parts) decoder.push(part);
    return decoder.space().length <= MAX_PAYLOAD_BYTES + HEADER_BYTES;
  }));
});

Deno.test("FrameDecoder skips a payload over 4 MiB and goes on with the next frame", () => {
  const decoder = new FrameDecoder();
  const header = new Uint8Array(HEADER_BYTES);
  const length = MAX_PAYLOAD_BYTES + 1;
  writeHeader(header, length, 7, 1, 0);
  const next = encodeFrame({ streamId: 9, type: 1, flags: 0, payload: Uint8Array.of(1) });
  assertEquals(decoder.push(header), []);
  for (let left = length; left > 65536; left -= 65536) {
    assertEquals(decoder.push(new Uint8Array(65536)), []);
  }
  const frames = decoder.push(join([new Uint8Array(length % 65536 || 65536), next]));
  assertEquals(frames.map(({ streamId, excess }) => ({ streamId, excess })), [
    { streamId: 7, excess: length },
    { streamId: 9, excess: undefined },
  ]);
});

Deno.test("FrameDecoder leaves payloads alone that it has handed out", () => {
  const decoder = new FrameDecoder();
  const frames = Array.from(
    { length: 100 },
    (_, i) => ({ streamId: i, type: 1, flags: 0, payload: new Uint8Array(3000).fill(i) }),
  );
  const decoded = frames.flatMap((frame) => decoder.push(encodeFrame(frame)));
  assertEquals(decoded.map(plain), frames.map(plain));
});

function plain({ streamId, type, flags, payload }: Frame): unknown {
  return { streamId, type, flags, payload: [...payload.subarray(0, 64)], length: payload.length };
}

function join(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function split(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const cut of cuts) {
    parts.push(bytes.subarray(at, at + cut));
    at += cut;
  }
  return [...parts, bytes.subarray(at)];
}
