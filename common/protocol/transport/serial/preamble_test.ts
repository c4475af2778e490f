import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encodeFrame, FrameType, HEADER_BYTES } from "../yamux/frame.ts";
import { encodePreamble, ID_BYTES, MAGIC, preambleFreeShape, PreambleScanner } from "./preamble.ts";

/** Bytes that resemble the magic far more often than chance would have it. */
const TRICKY = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.nat({ max: MAGIC.length }).map((n) => MAGIC.slice(0, n)),
    fc.nat({ max: MAGIC.length }).map((n) => MAGIC.slice(n)),
  ),
  { maxLength: 12 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));
const ID = fc.uint8Array({ minLength: ID_BYTES, maxLength: ID_BYTES });

Deno.test("no byte of the magic occurs twice, or is 0", () => {
  assertEquals(new Set([...MAGIC, 0]).size, MAGIC.length + 1);
});

Deno.test("PreambleScanner finds each session, however its bytes are cut, behind any frames a host sends", () => {
  const sessions = fc.array(fc.tuple(ID, fc.array(TRICKY, { maxLength: 4 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(sessions, fc.integer({ min: 1, max: 40 }), (sessions, step) => {
      const sent = sessions.map(([id, payloads]) => ({
        id: [...id],
        bytes: payloads.flatMap((p) => [...framed(p)]),
      }));
      const wire = sent.flatMap((
        { id, bytes },
      ) => [...encodePreamble(Uint8Array.from(id)), ...bytes]);
      const seen: typeof sent = [];
      const scanner = new PreambleScanner({
        onSession: (id) => seen.push({ id: [...id], bytes: [] }),
        onBytes: (bytes) => seen.at(-1)?.bytes.push(...bytes),
      });
      for (let at = 0; at < wire.length; at += step) {
        scanner.push(Uint8Array.from(wire.slice(at, at + step)));
      }
      assertEquals(seen, sent);
    }),
    { numRuns: 300 },
  );
});

Deno.test("PreambleScanner finds a session behind a frame that was cut off anywhere", () => {
  fc.assert(
    fc.property(TRICKY, fc.nat(), ID, (payload, cut, id) => {
      const stale = framed(payload);
      const found: number[][] = [];
      const scanner = new PreambleScanner({
        onSession: (id) => found.push([...id]),
        onBytes: () => {},
      });
      scanner.push(stale.slice(0, cut % (stale.length + 1)));
      scanner.push(encodePreamble(id));
      assertEquals(found, [[...id]]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("preambleFreeShape sends every payload in the end, in frames without the magic", () => {
  fc.assert(
    fc.property(TRICKY, (payload) => {
      const text = String.fromCharCode(...framed(payload));
      assert(!text.includes(String.fromCharCode(...MAGIC)));
    }),
    { numRuns: 500 },
  );
});

/** A payload as the host's session sends it. */
function framed(payload: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let rest = payload; rest.length > 0;) {
    const frame = uncut(rest);
    const length = frame.length - HEADER_BYTES;
    const next = preambleFreeShape.follow(1, frame);
    frames.push(frame, ...(next === undefined ? [] : [next]));
    rest = rest.subarray(length);
  }
  return Uint8Array.from(frames.flatMap((frame) => [...frame]));
}

/** The longest frame from the start of `rest` that the shape lets pass. */
function uncut(rest: Uint8Array): Uint8Array {
  for (let length = rest.length;;) {
    const header = { type: FrameType.Data, flags: 0, streamId: 1, length };
    const frame = encodeFrame(header, rest.subarray(0, length));
    const cut = preambleFreeShape.cut(frame);
    assert(cut >= 1 && cut <= length);
    if (cut === length) return frame;
    length = cut;
  }
}
